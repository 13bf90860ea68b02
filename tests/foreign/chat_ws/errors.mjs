/** What each error says to people, and whether trying again can help. */
export const ERRORS = {
  AUTH_REQUIRED: { message: 'Authenticate first.', retryable: true },
  AUTH_TIMEOUT: { message: 'No authentication arrived in time.', retryable: true },
  REAUTH_TIMEOUT: { message: 'The token expired and was not replaced.', retryable: true },
  TOKEN_EXPIRED: { message: 'The token has expired.', retryable: true },
  TOKEN_INVALID: { message: 'The token is not valid.', retryable: false },
  AUTH_REPLAYED: { message: 'This authentication was used before.', retryable: false },
  SUBJECT_MISMATCH: { message: 'The token belongs to someone else.', retryable: false },
  RATE_LIMITED: { message: 'Too many authentications from this address.', retryable: true },
  MESSAGE_INVALID: { message: 'The message is not valid.', retryable: false },
  MESSAGE_UNKNOWN_TYPE: { message: 'The type of the message is not known.', retryable: false },
};
