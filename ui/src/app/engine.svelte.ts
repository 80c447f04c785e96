// The engine as this window knows it, and the lists that live by its events.
import { containers } from '../containers/containers';
import { images } from '../images/images';
import { call, open } from '../lib/ipc/call';
import type { EngineEvent, EngineState } from '../lib/ipc/types';
import { volumes } from '../volumes/volumes';

const lists = [containers, images, volumes];

class Engine {
  state = $state.raw<EngineState>({ state: 'connecting' });
  /** How often an engine was found: each time is another connection. */
  connection = $state(0);
  #listeners = new Set<(event: EngineEvent) => void>();

  get ready(): boolean {
    return this.state.state === 'ready';
  }

  /** Starts to follow the engine; once, for as long as the window lives. */
  follow(): void {
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

  retry(): void {
    void call('engine_retry');
  }
}

export const engine = new Engine();
