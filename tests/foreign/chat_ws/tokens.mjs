import { constants, createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import http from 'node:http';
import { wallClock } from '../node/clock.mjs';
import { absent, hasDoubledMembers, isObject } from '../node/json.mjs';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const SIGNATURE_CHECKS = {
  HS256: (key, input, signature) => {
    const expected = createHmac('sha256', key).update(input).digest();
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  },
  RS256: (key, input, signature) => verify('sha256', input, key, signature),
  // RFC 7518, 3.4: the two halves of 32 bytes each, not DER.
  ES256: (key, input, signature) =>
    signature.length === 64 && verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature),
};

// Only a faulty server knows these: the others of each key's kind.
const RELATED = {
  HS384: ['HS256', (key, input, signature) => createHmac('sha384', key).update(input).digest().equals(signature)],
  HS512: ['HS256', (key, input, signature) => createHmac('sha512', key).update(input).digest().equals(signature)],
  RS384: ['RS256', (key, input, signature) => verify('sha384', input, key, signature)],
  RS512: ['RS256', (key, input, signature) => verify('sha512', input, key, signature)],
  PS256: [
    'RS256',
    (key, input, signature) => verify('sha256', input, { key, padding: constants.RSA_PKCS1_PSS_PADDING }, signature),
  ],
  ES384: ['ES256', (key, input, signature) => verify('sha384', input, { key, dsaEncoding: 'ieee-p1363' }, signature)],
  ES512: ['ES256', (key, input, signature) => verify('sha512', input, { key, dsaEncoding: 'ieee-p1363' }, signature)],
};

const ALGORITHM_OF_TYPE = { oct: 'HS256', RSA: 'RS256', EC: 'ES256' };

/** A key of a JWKS (RFC 7517), bound to one algorithm. */
function keyOfSet(jwk) {
  const algorithm = ALGORITHM_OF_TYPE[jwk.kty];
  if (algorithm === undefined || (jwk.alg !== undefined && jwk.alg !== algorithm)) throw new Error('no key for JWKS');
  if (algorithm === 'HS256') return { algorithm, name: jwk.kid, key: Buffer.from(jwk.k, 'base64url') };
  return { algorithm, name: jwk.kid, key: publicKey(algorithm, { key: jwk, format: 'jwk' }) };
}

function publicKey(algorithm, source) {
  const key = createPublicKey(source);
  const fits =
    algorithm === 'RS256'
      ? key.asymmetricKeyType === 'rsa'
      : algorithm === 'ES256' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  if (!fits) throw new Error(`no key for ${algorithm}`);
  return key;
}

const pemOf = (key) => key.export({ type: 'spki', format: 'pem' });

/** What only a faulty server does: it asks for keys where a token points, and makes nothing of them. */
function fetchKeys(url) {
  if (typeof url !== 'string' || !url.startsWith('http://127.0.0.1:')) return;
  http.get(url, (answer) => answer.resume()).on('error', () => {});
}

export class TokenVerifier {
  #keys = [];

  constructor({ secret, publicKeys, keySets, parameters, fault }) {
    this.parameters = parameters;
    this.fault = fault;
    if (secret !== undefined) this.#keys.push({ algorithm: 'HS256', key: secret });
    for (const [algorithm, pem] of Object.entries(publicKeys)) {
      this.#keys.push({ algorithm, key: publicKey(algorithm, pem) });
    }
    this.#keys.push(...keySets.flatMap(({ keys }) => keys.map(keyOfSet)));
    if (this.#keys.length === 0) throw new Error('no key: give --secret, --public-key or --jwks');
    this.names = new Set(this.#keys.map(({ name }) => name).filter((name) => name !== undefined));
  }

  /** The claims and the moment at which they expire (epoch milliseconds), or the code of the refusal. */
  check(text) {
    const token = this.#parse(text);
    if (!token) return { code: 'TOKEN_INVALID' };
    if (this.fault('expiry-before-signature') && this.#expired(token.claims)) return { code: 'TOKEN_EXPIRED' };
    if (!this.#signed(token) || !this.#typed(token.claims)) return { code: 'TOKEN_INVALID' };
    if (!this.#addressed(token.claims) || this.#early(token.claims)) return { code: 'TOKEN_INVALID' };
    if (this.#expired(token.claims) && !this.fault('expired-token-accepted')) return { code: this.#expiredCode() };
    const { sub, exp } = token.claims;
    return { subject: sub, exp: Number(exp) * 1000, expiresAt: this.#expiry(token.claims) };
  }

  /** The subject that a token claims, unverified. */
  claimedSubject(text) {
    return this.#parse(text)?.claims.sub;
  }

  #expiredCode() {
    return this.fault('expired-as-invalid') ? 'TOKEN_INVALID' : 'TOKEN_EXPIRED';
  }

  #parse(text) {
    if (text.length > this.parameters.token_bytes && !this.fault('token-size-unchecked')) return undefined;
    const parts = text.split('.');
    if (parts.length !== 3) return undefined;
    const [header, claims] = parts.slice(0, 2).map((part) => this.#jsonObject(part));
    const signature = this.#bytes(parts[2]);
    if (!header || !claims || !signature || !this.#headerUnderstood(header)) return undefined;
    return { header, claims, signature, input: Buffer.from(`${parts[0]}.${parts[1]}`) };
  }

  #bytes(part) {
    const text = this.fault('token-padding-accepted') ? part.replace(/=+$/, '') : part;
    if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
    const bytes = Buffer.from(text, 'base64url');
    // Only the canonical spelling: no dangling character, and no set bits behind the last byte.
    return bytes.toString('base64url') === text ? bytes : undefined;
  }

  #jsonObject(part) {
    const bytes = this.#bytes(part);
    if (!bytes) return undefined;
    try {
      const text = strictUtf8.decode(bytes);
      const value = JSON.parse(text);
      if (!isObject(value)) return undefined;
      return hasDoubledMembers(text) && !this.fault('token-doubled-members') ? undefined : value;
    } catch {
      return undefined;
    }
  }

  #headerUnderstood(header) {
    if (typeof header.alg !== 'string') return false;
    if (/^none$/i.test(header.alg) && !this.fault('alg-none-accepted')) return false;
    // Nothing that `crit` could name is understood here, `zip` is refused, and `enc` makes it a JWE.
    if (Object.hasOwn(header, 'crit') && !this.fault('crit-ignored')) return false;
    if (Object.hasOwn(header, 'zip') || Object.hasOwn(header, 'enc')) return false;
    if (!absent(header.kid) && typeof header.kid !== 'string') return false;
    if (this.#named(header) && !this.names.has(header.kid) && !this.fault('unknown-kid-first-key')) return false;
    return this.#typeUnderstood(header.typ);
  }

  #named({ kid }) {
    return this.names.size > 0 && !absent(kid);
  }

  #typeUnderstood(typ) {
    if (absent(typ) || this.fault('token-typ-unchecked')) return true;
    return typeof typ === 'string' && typ.toUpperCase() === 'JWT';
  }

  #signed({ header, signature, input }) {
    if (this.fault('alg-none-accepted') && /^none$/i.test(header.alg)) return true;
    if (this.fault('embedded-key-trusted') && isObject(header.jwk)) return this.#signedByOwnKey(header, input, signature);
    if (this.fault('jku-fetched')) fetchKeys(header.jku);
    if (this.fault('public-key-as-secret') && header.alg === 'HS256') {
      const pems = this.#keys.filter(({ algorithm }) => algorithm !== 'HS256').map(({ key }) => pemOf(key));
      if (pems.some((pem) => SIGNATURE_CHECKS.HS256(pem, input, signature))) return true;
    }
    if (this.fault('algorithm-family-accepted') && Object.hasOwn(RELATED, header.alg)) {
      const [own, check] = RELATED[header.alg];
      return this.#candidates({ ...header, alg: own }).some(({ key }) => check(key, input, signature));
    }
    return this.#candidates(header).some(({ algorithm, key }) => SIGNATURE_CHECKS[algorithm](key, input, signature));
  }

  /** The keys that may have made a signature: those of the algorithm, and of them the named one where keys have names. */
  #candidates(header) {
    const keys = this.#keys.filter(({ algorithm }) => algorithm === header.alg);
    if (!this.#named(header) || this.fault('kid-not-chosen-by')) return keys;
    if (this.fault('unknown-kid-first-key') && !this.names.has(header.kid)) return keys.slice(0, 1);
    return keys.filter(({ name }) => name === header.kid);
  }

  #signedByOwnKey({ alg, jwk }, input, signature) {
    try {
      const key = jwk.kty === 'oct' ? Buffer.from(jwk.k, 'base64url') : createPublicKey({ key: jwk, format: 'jwk' });
      return SIGNATURE_CHECKS[alg](key, input, signature);
    } catch {
      return false;
    }
  }

  #typed({ sub, exp, iat, nbf }) {
    const isTime = (value) =>
      Number.isFinite(value) || (this.fault('string-times-accepted') && /^\d+(\.\d+)?$/.test(value));
    return typeof sub === 'string' && sub !== '' && isTime(exp) && isTime(iat) && (absent(nbf) || isTime(nbf));
  }

  #addressed({ iss, aud }) {
    const { issuer, audience } = this.parameters;
    if (issuer !== undefined && iss !== issuer) return false;
    if (audience === undefined || this.fault('audience-unchecked')) return true;
    const audiences = Array.isArray(aud) ? aud : [aud];
    return audiences.every((entry) => typeof entry === 'string') && audiences.includes(audience);
  }

  #early({ iat, nbf }) {
    // The clock is cut to whole milliseconds: what lies within the current one is not in the future.
    const now = wallClock() + 1;
    const future = (time) => !absent(time) && time * 1000 >= now;
    return future(nbf) || (future(iat) && !this.fault('future-iat-accepted'));
  }

  #expiry({ exp }) {
    return Number(exp) * 1000 + this.parameters.leeway;
  }

  #expired(claims) {
    return wallClock() >= this.#expiry(claims);
  }
}
