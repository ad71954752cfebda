/** The routes of the admission API. */
export type AdmissionRoute = 'validate' | 'audit' | 'validate_raw';

export const ADMISSION_ROUTES: readonly AdmissionRoute[] = ['validate', 'audit', 'validate_raw'];

/** What goes back to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function jsonAnswer(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body };
}

export function textAnswer(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: '' };
}

/** An error as every route tells it: `{"message": …, "status": …}`. */
export function errorAnswer(status: number, message: string): Answer {
  return jsonAnswer(status, JSON.stringify({ message, status }));
}

/** An error about the request's own form, which `/audit` and `/validate_raw` tell as plain text. */
export function requestErrorAnswer(route: AdmissionRoute, status: number, message: string): Answer {
  return route === 'validate' ? errorAnswer(status, message) : textAnswer(status, message);
}

export const BODY_TOO_LARGE = 'Failed to buffer the request body: length limit exceeded';
export const WRONG_CONTENT_TYPE = 'Expected request with `Content-Type: application/json`';
