// What the charts draw: readings of the last minutes, with counters turned into rates.
import type { Sample } from '../../lib/ipc/types';

/** Readings kept: two minutes. */
export const KEPT = 120;

export interface Point {
  /** Seconds since 1970. */
  time: number;
  cpu: number | null;
  memory: number;
  received: number | null;
  sent: number | null;
  read: number | null;
  written: number | null;
}

/** One reading seen after another; rates are bytes a second, `null` where there is nothing to compare with. */
export function point(sample: Sample, before: Sample | undefined): Point {
  const time = Date.parse(sample.time) / 1000;
  const passed = before ? time - Date.parse(before.time) / 1000 : 0;
  const rate = (of: 'received' | 'sent' | 'read' | 'written'): number | null =>
    // A counter that went back belongs to a container that was started again.
    before && passed > 0 && sample[of] >= before[of] ? (sample[of] - before[of]) / passed : null;
  return {
    time,
    cpu: sample.cpu_percent,
    memory: sample.memory,
    received: rate('received'),
    sent: rate('sent'),
    read: rate('read'),
    written: rate('written'),
  };
}
