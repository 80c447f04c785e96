// Lists that follow the engine's events. One load runs at a time; what changes meanwhile makes one more.
import { asError } from './ipc/call';
import type { CommandError, EngineEvent } from './ipc/types';

export class LiveList<T> {
  rows = $state.raw<T[]>([]);
  phase = $state<'loading' | 'ready' | 'failed'>('loading');
  error = $state.raw<CommandError | null>(null);
  #loading = false;
  #stale = false;

  /** `kinds` are the kinds of events that change this list. */
  constructor(
    private readonly load: () => Promise<T[]>,
    private readonly kinds: readonly string[],
  ) {}

  /** Reads the list again if `event` concerns it. */
  notice(event: EngineEvent): void {
    if (event.action === 'gap' || this.kinds.includes(event.kind)) void this.refresh();
  }

  async refresh(): Promise<void> {
    if (this.#loading) {
      this.#stale = true;
      return;
    }
    this.#loading = true;
    do {
      this.#stale = false;
      try {
        this.rows = await this.load();
        this.phase = 'ready';
        this.error = null;
      } catch (thrown) {
        this.error = asError(thrown);
        this.phase = 'failed';
      }
    } while (this.#stale);
    this.#loading = false;
  }

  /** The engine is gone: what was known is not true any more. */
  forget(): void {
    this.rows = [];
    this.phase = 'loading';
    this.error = null;
  }
}
