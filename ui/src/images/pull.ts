// What a pull's steps add up to, layer by layer.
import type { PullStep } from '../lib/ipc/types';

export interface Layer {
  id: string;
  /** Docker's word for its last step. */
  status: string;
  /** 0 to 1, `null` while unknown. */
  done: number | null;
  finished: boolean;
}

const FINISHED = new Set(['Pull complete', 'Already exists']);
const LAYER_WORDS = new Set(['Pulling fs layer', 'Waiting', 'Downloading', 'Verifying Checksum', 'Download complete', 'Extracting', ...FINISHED]);

/** The layers after these steps, in the order in which they were first told of. */
export function advance(layers: Layer[], steps: PullStep[]): Layer[] {
  const byId = new Map(layers.map((layer) => [layer.id, layer]));
  for (const step of steps) {
    // "Pulling from library/nginx" has the tag where a layer has its id.
    if (!step.layer || !LAYER_WORDS.has(step.status)) continue;
    const done = step.total && step.total > 0 ? Math.min(1, (step.current ?? 0) / step.total) : null;
    const finished = FINISHED.has(step.status);
    byId.set(step.layer, { id: step.layer, status: step.status, done: finished || step.status === 'Download complete' ? 1 : done, finished });
  }
  return [...byId.values()];
}
