/** What the server refused or could not do. Code that fails is no error: it is a result. */
export class InsituError extends Error {
  override readonly name = "InsituError";

  constructor(
    message: string,
    /** What exactly, such as `session_not_found`; `server_unreachable` and `stream_broken` are said by this package. */
    readonly code: string,
    /** The status of the HTTP answer; 0 if there was none. */
    readonly status: number,
    /** By which the server's log knows the request. */
    readonly requestId: string | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The error that an answer of the server's tells of. */
export async function errorOf(response: Response): Promise<InsituError> {
  const body: unknown = await response.json().catch(() => null);
  const error = (body as { error?: Record<string, string> } | null)?.error ?? {};
  const hint = error["hint"] ? ` (${error["hint"]})` : "";
  const message = `${error["message"] ?? `the server answered ${response.status}`}${hint}`;
  return new InsituError(message, error["code"] ?? "unknown", response.status, response.headers.get("x-request-id"));
}
