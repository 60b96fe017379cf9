/** What is known about a failure of Python code. */
export interface PythonErrorProps {
  /** One sentence or more for the reader; the first line of the error's message. */
  readonly summary: string;
  /**
   * The qualified name of the Python exception, as in `ValueError` or `json.decoder.JSONDecodeError`.
   * Absent when Python raised none: the interpreter ran out of time, or ended.
   */
  readonly exceptionType?: string;
  /** `str()` of the Python exception. Absent when Python raised none. */
  readonly exceptionMessage?: string;
  /** The traceback as Python prints it, with the frames of the code under test only. */
  readonly traceback?: string;
  /** What the code under test had written to standard error. */
  readonly stderr?: string;
}

/** Python code failed: it raised, returned what JSON cannot carry, ran out of time or ended. */
export class PythonError extends Error {
  override readonly name = 'PythonError';
  /** See {@link PythonErrorProps.exceptionType}. */
  readonly exceptionType: string | undefined;
  /** See {@link PythonErrorProps.exceptionMessage}. */
  readonly exceptionMessage: string | undefined;
  /** See {@link PythonErrorProps.traceback}. */
  readonly traceback: string | undefined;

  constructor(props: PythonErrorProps) {
    const parts = [props.summary];
    if (props.traceback) {
      parts.push(props.traceback.trimEnd());
    }
    if (props.stderr?.trim()) {
      parts.push(`Its standard error ends with:\n${props.stderr.trimEnd().slice(-2000)}`);
    }
    super(parts.join('\n\n'));
    this.exceptionType = props.exceptionType;
    this.exceptionMessage = props.exceptionMessage;
    this.traceback = props.traceback;
  }
}
