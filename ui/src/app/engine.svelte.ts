// The engine as this window knows it, and the lists that live by its events.
import { containers } from '../containers/containers';
import { images } from '../images/images';
import { call, open } from '../lib/ipc/call';
import type { EngineChoice, EngineEvent, EngineState, Home } from '../lib/ipc/types';
import { volumes } from '../volumes/volumes';

const lists = [containers, images, volumes];

class Engine {
  state = $state.raw<EngineState>({ state: 'connecting' });
  /** Where it runs, and whether the person may choose; `null` until that is told. */
  choice = $state.raw<EngineChoice | null>(null);
  /** How often an engine was found: each time is another connection. */
  connection = $state(0);
  #listeners = new Set<(event: EngineEvent) => void>();

  get ready(): boolean {
    return this.state.state === 'ready';
  }

  /** Starts to follow the engine; once, for as long as the window lives. */
  follow(): void {
    call<EngineChoice>('engine_choice').then(
      (choice) => (this.choice = choice),
      () => undefined,
    );
    open<EngineEvent>('events_watch', 'events', {}, (event) => {
      for (const list of lists) list.notice(event);
      for (const listener of this.#listeners) listener(event);
    }).done.catch(() => undefined);
    open<EngineState>('engine_watch', 'states', {}, (state) => {
      this.state = state;
      if (state.state === 'ready') this.connection += 1;
      for (const list of lists) {
        if (state.state === 'ready') void list.refresh();
        else list.forget();
      }
      const gap: EngineEvent = { kind: '', action: 'gap', id: '' };
      if (state.state === 'ready') for (const listener of this.#listeners) listener(gap);
    }).done.catch(() => undefined);
  }

  /** Calls `listener` for each event until the returned function is called. */
  listen(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Goes to the engine there; fails where that can't be kept. */
  async choose(home: Home): Promise<void> {
    this.choice = await call<EngineChoice>('engine_choose', { home });
  }

  retry(): void {
    void call('engine_retry');
  }
}

export const engine = new Engine();
