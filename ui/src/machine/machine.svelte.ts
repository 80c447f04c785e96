// The machine that the window shows, as its stream tells it.
import { asError, call, open } from '../lib/ipc/call';
import type { Machine } from '../lib/ipc/types';

/** The machine that is meant when nobody names one. */
export const DEFAULT = 'default';

class Machines {
  /** Names of all machines. */
  names = $state.raw<string[]>([DEFAULT]);

  async refresh(): Promise<void> {
    this.names = await call<string[]>('machines_list');
  }
}

export const machines = new Machines();

/** A machine that a view looks at. */
export class Watched {
  machine = $state.raw<Machine | null>(null);
  failure = $state('');

  /** Follows `name` until the returned function is called. */
  follow(name: string): () => void {
    this.machine = null;
    this.failure = '';
    const stream = open<Machine>('machine_watch', 'machine', { name }, (machine) => {
      this.machine = machine;
    });
    stream.done.catch((thrown) => {
      const error = asError(thrown);
      if (error.code !== 'cancelled') this.failure = error.message;
    });
    return () => stream.close();
  }
}
