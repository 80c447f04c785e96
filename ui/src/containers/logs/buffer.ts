// The lines that the Logs tab holds: the newest hundred thousand, and which of them a search finds.
import type { LogLine } from '../../lib/ipc/types';
import { plain } from './ansi';

/** Lines kept. */
export const MOST = 100_000;
/** Lines that may gather beyond that before the oldest are dropped together. */
const SLACK = 5_000;

export interface Line extends LogLine {
  /** The text without colours. */
  plain: string;
}

export class LogBuffer {
  lines: Line[] = [];
  /** How many lines were dropped or cleared before the first one held. */
  dropped = 0;
  /** Positions in `lines` that the search finds, in order. */
  matches: number[] = [];
  #query = '';

  /** Takes lines in, and answers how many old ones were dropped for them, and how many matches with these. */
  append(batch: LogLine[]): { lines: number; matches: number } {
    for (const line of batch) {
      const text = plain(line.text);
      if (this.#query && text.toLowerCase().includes(this.#query)) this.matches.push(this.lines.length);
      this.lines.push({ ...line, plain: text });
    }
    if (this.lines.length <= MOST + SLACK) return { lines: 0, matches: 0 };
    const over = this.lines.length - MOST;
    this.lines = this.lines.slice(over);
    this.dropped += over;
    const found = this.matches.length;
    this.matches = this.matches.filter((at) => at >= over).map((at) => at - over);
    return { lines: over, matches: found - this.matches.length };
  }

  clear(): void {
    this.lines = [];
    this.matches = [];
    this.dropped = 0;
  }

  search(query: string): void {
    this.#query = query.toLowerCase();
    this.matches = [];
    if (!this.#query) return;
    for (const [at, line] of this.lines.entries()) if (line.plain.toLowerCase().includes(this.#query)) this.matches.push(at);
  }

  /** The lines as text, for the clipboard. */
  text(timestamps: boolean): string {
    return this.lines.map((line) => (timestamps ? `${line.time} ${line.plain}\n` : `${line.plain}\n`)).join('');
  }
}
