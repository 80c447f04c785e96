import { call } from '../lib/ipc/call';
import type { Image, ImageDefaults, Protocol, RunRequest } from '../lib/ipc/types';
import { shortId } from '../lib/format';
import { LiveList } from '../lib/live.svelte';

// Containers decide which images are in use.
export const images = new LiveList<Image>(() => call('images_list'), ['image', 'container']);

export const defaults = (name: string): Promise<ImageDefaults> => call('image_defaults', { name });
export const run = (request: RunRequest): Promise<string> => call('container_run', { request });
export const suggestPort = (wanted: number, protocol: Protocol): Promise<number> => call('port_suggest', { wanted, protocol });

/** One line of the list: an image under one of its names. */
export interface NamedImage {
  key: string;
  /** What the engine is asked for: the name, or the id of a nameless one. */
  reference: string;
  image: Image;
}

/** Images by name: one with three names is three lines, as in `docker images`. */
export function byName(rows: Image[]): NamedImage[] {
  return rows.flatMap((image) =>
    image.tags.length === 0
      ? [{ key: image.id, reference: image.id, image }]
      : image.tags.map((tag) => ({ key: `${image.id} ${tag}`, reference: tag, image })),
  );
}

/** What a person calls it. */
export function title(named: NamedImage): string {
  return named.image.tags.length === 0 ? shortId(named.reference) : named.reference;
}
