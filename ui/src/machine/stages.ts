// The steps of a machine's start, as they are shown.
import type { MachineState, Stage } from '../lib/ipc/types';

export const STAGES: readonly Stage[] = ['image', 'vm', 'kernel', 'engine'];

export interface Step {
  stage: Stage;
  state: 'done' | 'now' | 'waiting' | 'failed';
  /** Milliseconds it took; `null` where that isn't known. */
  took: number | null;
}

/** Each step of a start that is under way, or has failed; empty where neither is so. */
export function steps(state: MachineState): Step[] {
  if (state.state !== 'starting' && !(state.state === 'failed' && state.stage)) return [];
  const at = STAGES.indexOf(state.stage as Stage);
  return STAGES.map((stage, index) => ({
    stage,
    state: index < at ? 'done' : index > at ? 'waiting' : state.state === 'failed' ? 'failed' : 'now',
    took: (state.state === 'starting' && state.done.find((done) => done.stage === stage)?.took) || null,
  }));
}

/** What a person can do with a machine that does this. */
export function verbs(state: MachineState['state']): { start: boolean; stop: boolean; restart: boolean } {
  return {
    start: state === 'missing' || state === 'stopped' || state === 'failed',
    stop: state === 'starting' || state === 'running' || state === 'paused',
    restart: state === 'running' || state === 'paused',
  };
}
