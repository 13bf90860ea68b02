import { createHmac, createPublicKey } from 'node:crypto';
import http from 'node:http';
import jsonwebtoken from 'jsonwebtoken';
import { wallClock } from './clock.mjs';
import { absent, hasDoubledMembers, isObject } from './json.mjs';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const ALGORITHM_OF_TYPE = { oct: 'HS256', RSA: 'RS256', EC: 'ES256' };
const REFUSED = Object.freeze({ code: 'TOKEN_INVALID' });

/** A key of a JWKS (RFC 7517), bound to one algorithm. */
function keyOfSet(jwk) {
  const algorithm = ALGORITHM_OF_TYPE[jwk.kty];
  if (algorithm === undefined || (jwk.alg !== undefined && jwk.alg !== algorithm)) throw new Error('no key for JWKS');
  const key = jwk.kty === 'oct' ? Buffer.from(jwk.k, 'base64url') : createPublicKey({ key: jwk, format: 'jwk' });
  return { algorithm, name: jwk.kid, key };
}

function verifies(text, key, algorithm) {
  try {
    jsonwebtoken.verify(text, key, { algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true });
    return true;
  } catch {
    return false;
  }
}

/** What only a faulty server does: it asks for keys where a token points, and makes nothing of them. */
function fetchKeys(url) {
  if (typeof url !== 'string' || !url.startsWith('http://127.0.0.1:')) return;
  http.get(url, (answer) => answer.resume()).on('error', () => {});
}

/**
 * Checks tokens in the order that the protocols share; jsonwebtoken checks the signature, the rest stands here.
 *
 * `required` names the claims that must be there, each a non-empty string but for the times.
 */
export class TokenVerifier {
  #keys = [];

  constructor({ secret, publicKeys, keySets, parameters, fault, required }) {
    Object.assign(this, { parameters, fault, required });
    if (secret !== undefined) this.#keys.push({ algorithm: 'HS256', key: secret });
    for (const [algorithm, pem] of Object.entries(publicKeys)) {
      this.#keys.push({ algorithm, key: createPublicKey(pem) });
    }
    this.#keys.push(...keySets.flatMap(({ keys }) => keys.map(keyOfSet)));
    if (this.#keys.length === 0) throw new Error('no key: give --secret, --public-key or --jwks');
    this.names = new Set(this.#keys.map(({ name }) => name).filter((name) => name !== undefined));
  }

  /**
   * The claims with `expiresAt` (epoch ms, leeway included) of a good token, or the code of the refusal.
   *
   * Of a token of which nothing is wrong but that it has expired there are both. `signed` says of a refused token that
   * its signature is good.
   */
  check(text) {
    const token = this.#parse(text);
    if (!token) return REFUSED;
    const read = { claims: token.claims, expiresAt: Number(token.claims.exp) * 1000 + this.parameters.leeway };
    const expired = wallClock() >= read.expiresAt;
    if (expired && this.fault('expiry-before-signature')) return { ...read, code: 'TOKEN_EXPIRED' };
    if (!this.#signed(token, expired)) return REFUSED;
    if (!this.#typed(token.claims) || !this.#addressed(token.claims) || this.#early(token.claims)) {
      return { ...REFUSED, signed: true, claims: token.claims };
    }
    if (expired && !this.fault('expired-token-accepted')) return { ...read, signed: true, code: 'TOKEN_EXPIRED' };
    return read;
  }

  #parse(text) {
    if (text.length > this.parameters.token_bytes && !this.fault('token-size-unchecked')) return undefined;
    const parts = text.split('.');
    if (parts.length !== 3) return undefined;
    const [header, claims] = parts.slice(0, 2).map((part) => this.#jsonObject(part));
    if (!header || !claims || !this.#bytes(parts[2]) || !this.#headerUnderstood(header)) return undefined;
    return { header, claims, parts, text };
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
    if (this.#named(header) && !this.names.has(header.kid)) return false;
    if (absent(header.typ) || this.fault('token-typ-unchecked')) return true;
    return typeof header.typ === 'string' && header.typ.toUpperCase() === 'JWT';
  }

  #named({ kid }) {
    return this.names.size > 0 && !absent(kid);
  }

  #signed({ header, parts, text }, expired) {
    if (this.fault('alg-none-accepted') && /^none$/i.test(header.alg)) return true;
    if (this.fault('signature-unchecked-if-expired') && expired) return true;
    if (this.fault('jku-fetched')) fetchKeys(header.jku);
    if (this.fault('embedded-key-trusted') && isObject(header.jwk)) return this.#signedByOwnKey(header, text);
    const signed = parts.slice(0, 2).join('.');
    if (this.fault('hs512-accepted') && header.alg === 'HS512') return this.#hs512(signed, parts[2]);
    const compact = this.fault('token-padding-accepted') ? text.replace(/=/g, '') : text;
    return this.#keys
      .filter(({ algorithm, name }) => algorithm === header.alg && (!this.#named(header) || name === header.kid))
      .some(({ algorithm, key }) => verifies(compact, key, algorithm));
  }

  #signedByOwnKey({ alg, jwk }, text) {
    try {
      const key = jwk.kty === 'oct' ? Buffer.from(jwk.k, 'base64url') : createPublicKey({ key: jwk, format: 'jwk' });
      return verifies(text, key, alg);
    } catch {
      return false;
    }
  }

  #hs512(signed, signature) {
    const secrets = this.#keys.filter(({ algorithm }) => algorithm === 'HS256').map(({ key }) => key);
    return secrets.some((key) => createHmac('sha512', key).update(signed).digest('base64url') === signature);
  }

  #typed(claims) {
    const isTime = (value) =>
      Number.isFinite(value) || (this.fault('string-times-accepted') && /^\d+(\.\d+)?$/.test(value));
    const isText = (value) => typeof value === 'string' && (value !== '' || this.fault('empty-claim-accepted'));
    return (
      this.required.every((name) => (['exp', 'iat', 'nbf'].includes(name) ? isTime : isText)(claims[name])) &&
      [claims.exp, claims.iat, claims.nbf].every((time) => absent(time) || isTime(time))
    );
  }

  #addressed({ iss, aud }) {
    const { issuer, audience } = this.parameters;
    if (issuer !== undefined && iss !== issuer && !this.fault('issuer-unchecked')) return false;
    if (audience === undefined || this.fault('audience-unchecked')) return true;
    const audiences = Array.isArray(aud) ? aud : [aud];
    return audiences.every((entry) => typeof entry === 'string') && audiences.includes(audience);
  }

  #early({ iat, nbf }) {
    // The clock is cut to whole milliseconds: what lies within the current one is not in the future.
    const future = (time) => !absent(time) && time * 1000 >= wallClock() + 1;
    return (future(nbf) && !this.fault('nbf-unchecked')) || (future(iat) && !this.fault('future-iat-accepted'));
  }
}
