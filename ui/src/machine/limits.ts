// What a machine may use, as a person types it: memory and disk in GiB.
import type { Bounds, Limits } from '../lib/ipc/types';

const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** What is typed. */
export interface LimitFields {
  cpus: string;
  memory: string;
  disk: string;
}

export type LimitField = keyof LimitFields;

/** What is wrong with a field. */
export type LimitWrong = 'number' | 'few' | 'many' | 'shrinks';

/** Bytes as GiB, with no more digits than there are. */
export function gib(bytes: number): string {
  return String(Math.round((bytes / GIB) * 100) / 100);
}

/** Bytes beside limits in GiB: `512 MiB`, `1.5 GiB`. */
export function size(bytes: number): string {
  return bytes < GIB ? `${Math.round(bytes / MIB)} MiB` : `${gib(bytes)} GiB`;
}

/** How much of the way from `least` to `most` a value is. */
export function share(value: number, least: number, most: number): number {
  return most > least ? Math.min(1, Math.max(0, (value - least) / (most - least))) : 1;
}

/** What is typed for limits. */
export function fields(limits: Limits): LimitFields {
  return { cpus: String(limits.cpus), memory: gib(limits.memory), disk: gib(limits.disk) };
}

/** A number as typed, with a point or a comma; `null` where it is none. */
export function readNumber(typed: string): number | null {
  const text = typed.trim().replace(',', '.');
  return /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : null;
}

/** The limits that are typed. What is as it was stays so to the byte, though it is shown rounded. */
export function limits(typed: LimitFields, before: Limits): Limits | null {
  const shown = fields(before);
  const bytes = (field: 'memory' | 'disk'): number | null => {
    if (typed[field].trim() === shown[field]) return before[field];
    const value = readNumber(typed[field]);
    return value === null ? null : Math.round((value * GIB) / MIB) * MIB;
  };
  const [cpus, memory, disk] = [readNumber(typed.cpus), bytes('memory'), bytes('disk')];
  return cpus === null || !Number.isInteger(cpus) || memory === null || disk === null ? null : { cpus, memory, disk };
}

/** What is wrong with each field that can't be meant. */
export function wrong(typed: LimitFields, before: Limits, bounds: Bounds): Partial<Record<LimitField, LimitWrong>> {
  const found: Partial<Record<LimitField, LimitWrong>> = {};
  const cpus = readNumber(typed.cpus);
  if (cpus === null || !Number.isInteger(cpus)) found.cpus = 'number';
  else if (cpus < 1) found.cpus = 'few';
  else if (cpus > bounds.cpus) found.cpus = 'many';
  const memory = limits({ ...fields(before), memory: typed.memory }, before)?.memory;
  if (memory === undefined) found.memory = 'number';
  else if (memory < bounds.least_memory) found.memory = 'few';
  else if (memory > bounds.most_memory) found.memory = 'many';
  const disk = limits({ ...fields(before), disk: typed.disk }, before)?.disk;
  if (disk === undefined) found.disk = 'number';
  else if (disk < bounds.least_disk) found.disk = 'shrinks';
  else if (disk > 65_536 * GIB) found.disk = 'many';
  return found;
}

/** Whether two limits are the same. */
export function same(one: Limits, other: Limits): boolean {
  return one.cpus === other.cpus && one.memory === other.memory && one.disk === other.disk;
}
