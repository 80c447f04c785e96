import { asError, call } from '../lib/ipc/call';
import type { Action, Container, Details, Port } from '../lib/ipc/types';
import { text } from '../lib/i18n/index.svelte';
import { LiveList } from '../lib/live.svelte';
import { notify } from '../lib/ui/notices.svelte';

export const containers = new LiveList<Container>(() => call('containers_list'), ['container']);

export const inspect = (id: string): Promise<Details> => call('container_inspect', { id });

/** What can be done to a container in this state. */
export function actionsFor(state: string): Action[] {
  switch (state) {
    case 'running':
      return ['stop', 'restart', 'pause', 'delete'];
    case 'paused':
      return ['unpause', 'stop', 'delete'];
    case 'restarting':
      return ['stop', 'delete'];
    case 'removing':
      return [];
    default:
      return ['start', 'delete'];
  }
}

/** Does `action`, and tells what went wrong. */
export async function act(container: { id: string; name: string }, action: Action): Promise<boolean> {
  try {
    await call('container_act', { id: container.id, action });
    return true;
  } catch (thrown) {
    const error = asError(thrown);
    // Already deleted by someone else: that is what was wanted.
    if (action === 'delete' && error.code === 'not_found') return true;
    notify('bad', text.current.actions.failed[action](container.name), error.message);
    return false;
  }
}

/** The page that a published TCP port serves, where it is one of this machine. */
export function portUrl(port: Port): string | null {
  if (port.host === null || port.protocol !== 'tcp') return null;
  const any = port.address === '' || port.address === '0.0.0.0' || port.address === '::';
  const host = any ? 'localhost' : port.address.includes(':') ? `[${port.address}]` : port.address;
  return port.host === 80 ? `http://${host}/` : `http://${host}:${port.host}/`;
}

/** The ports to show: one for IPv4 and IPv6 alike, published ones first. */
export function distinctPorts(ports: Port[]): Port[] {
  const seen = new Map<string, Port>();
  for (const port of ports) {
    const key = `${port.host ?? ''}:${port.container}/${port.protocol}:${portUrl(port) ?? ''}`;
    if (!seen.has(key)) seen.set(key, port);
  }
  const published = new Set([...seen.values()].filter((port) => port.host !== null).map((port) => `${port.container}/${port.protocol}`));
  return [...seen.values()]
    .filter((port) => port.host !== null || !published.has(`${port.container}/${port.protocol}`))
    .sort((a, b) => Number(b.host !== null) - Number(a.host !== null) || (a.host ?? a.container) - (b.host ?? b.container));
}

/** `8080:80`, `53:53/udp`, `80/tcp`. */
export function portText(port: Port): string {
  const protocol = port.protocol === 'tcp' && port.host !== null ? '' : `/${port.protocol}`;
  return `${port.host === null ? '' : `${port.host}:`}${port.container}${protocol}`;
}

/** Whether a search finds this container: by name, image, id, port or state, all words of it. */
export function matches(container: Container, query: string): boolean {
  const hay = [container.name, container.image, container.id.slice(0, 12), container.state, ...container.ports.map(portText)]
    .join(' ')
    .toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}
