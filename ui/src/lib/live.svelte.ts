// Lists that follow the engine's events. One load runs at a time; what changes meanwhile makes one more.
import { coalesced } from './coalesced';
import { asError } from './ipc/call';
import type { CommandError, EngineEvent } from './ipc/types';

export class LiveList<T> {
  rows = $state.raw<T[]>([]);
  phase = $state<'loading' | 'ready' | 'failed'>('loading');
  error = $state.raw<CommandError | null>(null);
  /** Reads the list again. */
  readonly refresh = coalesced(() => this.#read());
  /** Which engine is listed: an answer of the one before is none of this one's. */
  #engine = 0;

  /** `kinds` are the kinds of events that change this list. */
  constructor(
    private readonly load: () => Promise<T[]>,
    private readonly kinds: readonly string[],
  ) {}

  /** Reads the list again if `event` concerns it. */
  notice(event: EngineEvent): void {
    if (event.action === 'gap' || this.kinds.includes(event.kind)) void this.refresh();
  }

  async #read(): Promise<void> {
    const engine = this.#engine;
    try {
      const rows = await this.load();
      if (engine !== this.#engine) return;
      this.rows = rows;
      this.phase = 'ready';
      this.error = null;
    } catch (thrown) {
      if (engine !== this.#engine) return;
      this.error = asError(thrown);
      this.phase = 'failed';
    }
  }

  /** The engine is gone: what was known is not true any more. */
  forget(): void {
    this.#engine += 1;
    this.rows = [];
    this.phase = 'loading';
    this.error = null;
  }
}
