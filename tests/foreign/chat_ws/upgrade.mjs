const V1 = 'chat.v1';
const V2 = 'chat.v2';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Every value that a header was sent with; node's own `headers` joins or drops repeated ones. */
function headerValues({ rawHeaders }, name) {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1].toLowerCase() === name);
}

const listed = (values) =>
  values.flatMap((value) => value.split(',')).map((entry) => entry.trim()).filter(Boolean);

function percentDecoded(segment) {
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return undefined;
  const bytes = segment.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    return strictUtf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

function splitTarget(target) {
  const relative = target.replace(/^(?:http|ws)s?:\/\/[^/?]*/i, '');
  const [path] = relative.split('?', 1);
  return { path, query: new URLSearchParams(relative.slice(path.length + 1)) };
}

/** Decides what becomes of a request: a refusal, or a connection to a recipe. */
export class Gate {
  constructor({ parameters, verifier, fault }) {
    this.parameters = parameters;
    this.verifier = verifier;
    this.fault = fault;
    this.servesV1 = parameters.rollout !== 'message';
    this.servesV2 = parameters.rollout !== 'legacy';
    this.served = [...(this.servesV1 ? [V1] : []), ...(this.servesV2 ? [V2] : [])];
  }

  decide(request, asksForUpgrade) {
    const { path, query } = splitTarget(request.url);
    const recipeId = this.#recipeId(path);
    if (this.fault('origin-before-path') && !this.#originAllowed(request)) return refusal(403, 'ORIGIN_FORBIDDEN');
    if (recipeId === undefined) return refusal(404, 'NOT_FOUND');
    if (!this.#isWebSocketUpgrade(request, asksForUpgrade)) return this.#upgradeRequired();
    if (!this.#originAllowed(request)) return refusal(403, 'ORIGIN_FORBIDDEN');
    return { recipeId, ...this.#decideVersion(request, query) };
  }

  #recipeId(path) {
    if (this.fault('nested-path-accepted')) return /^\/v1\/chat\/(.+)$/.exec(path)?.[1];
    const [root, ...segments] = path.split('/');
    const [version, name, recipeId, ...rest] = segments.map(percentDecoded);
    if (root !== '' || version !== 'v1' || name !== 'chat' || !recipeId || rest.length) return undefined;
    if (this.fault('recipe-id-not-decoded')) return segments[2];
    return this.fault('recipe-id-case-folded') ? recipeId.toLowerCase() : recipeId;
  }

  #isWebSocketUpgrade(request, asksForUpgrade) {
    const protocols = listed(headerValues(request, 'upgrade')).map((protocol) => protocol.toLowerCase());
    return asksForUpgrade && request.method === 'GET' && request.httpVersion === '1.1' && protocols.includes('websocket');
  }

  #upgradeRequired() {
    if (this.fault('plain-request-as-400')) return refusal(400, 'UPGRADE_REQUIRED');
    return refusal(426, 'UPGRADE_REQUIRED', { Upgrade: 'websocket' });
  }

  #originAllowed(request) {
    const { origins } = this.parameters;
    const allowed = (origin) =>
      origins.includes(origin) || (this.fault('origin-prefix-match') && origins.some((entry) => origin.startsWith(entry)));
    return origins.length === 0 || headerValues(request, 'origin').every(allowed);
  }

  #decideVersion(request, query) {
    const offered = listed(headerValues(request, 'sec-websocket-protocol'));
    const credentials = this.#credentials(request, query);
    if (this.#strayCredentialRefused(credentials)) return refusal(401, 'TOKEN_INVALID', { 'WWW-Authenticate': 'Bearer' });
    if (offered.includes(V2) && this.servesV2) return this.#acceptV2(offered, credentials);
    if (this.fault('legacy-speaks-v2') && offered.includes(V2) && !offered.includes(V1)) return this.#acceptV2(offered, []);
    if (this.#isVersion1(offered, credentials)) return this.#decideV1(offered, credentials);
    if (this.servesV2 && offered.length === 0) return this.#acceptBare();
    return this.#versionUnsupported();
  }

  #isVersion1(offered, credentials) {
    if (!this.servesV1) return false;
    if (offered.length) return offered.includes(V1);
    return !this.servesV2 || credentials.length > 0;
  }

  #acceptV2(offered, credentials) {
    if (this.fault('credential-beside-v2-used') && this.servesV1) {
      const token = credentials.map((credential) => this.verifier.check(credential)).find(({ code }) => !code);
      if (token) return { version: 2, subprotocol: V2, token };
    }
    if (this.fault('subprotocol-not-answered')) return { version: 2 };
    return { version: 2, subprotocol: this.fault('first-offer-answered') ? offered[0] : V2 };
  }

  #acceptBare() {
    if (this.fault('subprotocol-required')) return this.#versionUnsupported();
    return { version: 2 };
  }

  #strayCredentialRefused(credentials) {
    if (this.servesV1 || !this.fault('stray-credential-checked')) return false;
    return credentials.some((credential) => this.verifier.check(credential).code);
  }

  #versionUnsupported() {
    if (this.fault('unserved-version-upgraded')) return { version: 2 };
    const supported = this.fault('supported-not-listed') ? {} : { supported: this.served };
    return refusal(400, 'VERSION_UNSUPPORTED', {}, supported);
  }

  #credentials(request, query) {
    const scheme = this.fault('bearer-case-sensitive') ? /^Bearer(?:[ \t]+(.*))?$/s : /^bearer(?:[ \t]+(.*))?$/is;
    const headers = headerValues(request, 'authorization').map((value) => scheme.exec(value)).filter(Boolean);
    const fromHeader = headers.map((found) => found[1] ?? '');
    if (this.fault('empty-credential-as-absent')) return [...fromHeader, ...query.getAll('token')].filter(Boolean);
    if (this.fault('header-wins-over-query') && fromHeader.length) return fromHeader;
    const first = this.fault('repeated-header-first-wins') ? fromHeader.slice(0, 1) : fromHeader;
    return [...first, ...query.getAll('token')];
  }

  #decideV1(offered, credentials) {
    const headers = this.#deprecationHeaders();
    if (credentials.length > 1) return refusal(400, 'CREDENTIAL_AMBIGUOUS', headers);
    const token = credentials.length ? this.verifier.check(credentials[0]) : { code: 'AUTH_REQUIRED' };
    const subprotocol = offered.includes(V1) && !this.fault('v1-subprotocol-not-answered') ? V1 : undefined;
    if (token.code && this.fault('v1-refused-after-upgrade')) return { version: 1, subprotocol, headers, refused: token.code };
    if (token.code) return refusal(401, token.code, { ...this.#challenge(credentials), ...this.#headersOfRefusal(headers) });
    return { version: 1, subprotocol, headers, token };
  }

  #challenge([credential]) {
    if (this.fault('challenge-missing')) return {};
    if (this.fault('token-in-challenge') && credential) {
      return { 'WWW-Authenticate': `Bearer error="invalid_token", error_description="${credential.replace(/[^\w.-]/g, '')}"` };
    }
    return { 'WWW-Authenticate': 'Bearer' };
  }

  #headersOfRefusal(headers) {
    return this.fault('deprecation-only-on-101') ? {} : headers;
  }

  #deprecationHeaders() {
    if (this.parameters.rollout !== 'dual') return {};
    const deprecation = new Date(this.parameters.deprecation);
    const sunset = new Date(this.parameters.sunset);
    return {
      // RFC 9745: a structured-field date.
      Deprecation: this.fault('deprecation-as-http-date')
        ? deprecation.toUTCString()
        : `@${Math.floor(deprecation.getTime() / 1000)}`,
      // RFC 8594: an HTTP date.
      Sunset: this.fault('sunset-as-rfc3339') ? sunset.toISOString() : sunset.toUTCString(),
    };
  }
}

export function refusal(status, code, headers = {}, members = {}) {
  return { status, headers, body: JSON.stringify({ code, ...members }) };
}
