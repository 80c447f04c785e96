// The one door to the Rust side: commands, and streams with back-pressure (src-tauri/src/streams.rs).
import { Channel, invoke } from '@tauri-apps/api/core';
import type { CommandError } from './types';

/** Asks a command; fails with a {@link CommandError}. */
export function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  return invoke<T>(command, args);
}

/** A stream that a view has open. */
export interface Stream<R> {
  /** The number that the Rust side knows it by. */
  readonly id: number;
  /** Settles when the stream ends, with a `cancelled` error when the view closed it. */
  readonly done: Promise<R>;
  /** Ends it; nothing more is told. */
  close(): void;
}

let last = 0;

/**
 * Opens a stream: `channel` names the command's argument through which `take` is told. Where `take` answers a
 * promise, the message counts as taken in when that settles.
 */
export function open<T, R = null>(
  command: string,
  channel: string,
  args: Record<string, unknown>,
  take: (message: T) => void | Promise<void>,
): Stream<R> {
  const id = ++last;
  let state: 'open' | 'closed' | 'ended' = 'open';
  const messages = new Channel<T>();
  messages.onmessage = (message) => {
    if (state === 'closed') return;
    void Promise.resolve(take(message)).finally(() => invoke('stream_ack', { stream: id }));
  };
  const done = invoke<R>(command, { ...args, stream: id, [channel]: messages }).finally(() => {
    if (state === 'open') state = 'ended';
  });
  return {
    id,
    done,
    close() {
      if (state !== 'open') return;
      state = 'closed';
      void invoke('stream_close', { stream: id });
    },
  };
}

/** What a command failed with, whatever was thrown. */
export function asError(thrown: unknown): CommandError {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown) {
    return thrown as CommandError;
  }
  return { code: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) };
}
