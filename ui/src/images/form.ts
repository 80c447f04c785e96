// The run form's fields, what they mean, and what is wrong with them.
import type { Protocol, RunRequest } from '../lib/ipc/types';

export interface PortField {
  host: string;
  container: string;
  protocol: Protocol;
}
export interface VolumeField {
  source: string;
  target: string;
  readOnly: boolean;
  /** Whether the image keeps data there: left out again where nothing is named for it. */
  offered: boolean;
}
export interface VariableField {
  name: string;
  value: string;
}
export interface Form {
  name: string;
  ports: PortField[];
  volumes: VolumeField[];
  variables: VariableField[];
}

/** A port as typed: `null` where it is none, `undefined` where nothing is typed. */
export function readPort(typed: string): number | null | undefined {
  const text = typed.trim();
  if (!text) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

const isLeftOut = (volume: VolumeField): boolean => !volume.source.trim() && (volume.offered || !volume.target.trim());

/** What the form asks for; rows that are left empty are left out. */
export function request(image: string, form: Form): RunRequest {
  return {
    image,
    name: form.name.trim(),
    ports: form.ports
      .filter((port) => port.container.trim())
      .map((port) => ({ host: readPort(port.host) ?? null, container: readPort(port.container) ?? 0, protocol: port.protocol })),
    volumes: form.volumes
      .filter((volume) => !isLeftOut(volume))
      .map((volume) => ({ source: volume.source.trim(), target: volume.target.trim(), read_only: volume.readOnly })),
    environment: form.variables.filter((variable) => variable.name.trim() || variable.value).map((variable) => ({ name: variable.name.trim(), value: variable.value })),
  };
}

/** The field of a row that can't be meant, and which words tell it. */
export interface Wrong<Field extends string> {
  field: Field;
  why: 'port' | 'containerPort' | 'source' | 'target' | 'variable';
}

export function wrongPort(port: PortField): Wrong<'host' | 'container'> | null {
  if (readPort(port.host) === null) return { field: 'host', why: 'port' };
  if (readPort(port.container) === null) return { field: 'container', why: 'port' };
  return readPort(port.host) !== undefined && readPort(port.container) === undefined ? { field: 'container', why: 'containerPort' } : null;
}

export function wrongVolume(volume: VolumeField): Wrong<'source' | 'target'> | null {
  if (isLeftOut(volume)) return null;
  if (!volume.source.trim()) return { field: 'source', why: 'source' };
  return volume.target.trim().startsWith('/') ? null : { field: 'target', why: 'target' };
}

export function wrongVariable(variable: VariableField): Wrong<'name'> | null {
  const name = variable.name.trim();
  return (name || !variable.value) && !name.includes('=') ? null : { field: 'name', why: 'variable' };
}

/** Whether everything that is typed can be meant. */
export function valid(form: Form): boolean {
  return !form.ports.some(wrongPort) && !form.volumes.some(wrongVolume) && !form.variables.some(wrongVariable);
}

/**
 * The ports that an image exposes (`80/tcp`), each on a free one of this machine that no other of them has.
 * `suggest` answers a port itself where it is free, else the next free one.
 */
export async function offerPorts(exposed: string[], suggest: (wanted: number, protocol: Protocol) => Promise<number>): Promise<PortField[]> {
  const offered: PortField[] = [];
  for (const each of exposed) {
    const [typed = '', kind] = each.split('/');
    const container = readPort(typed);
    if (!container || (kind !== 'tcp' && kind !== 'udp')) continue;
    const isOffered = (host: number): boolean => offered.some((other) => other.protocol === kind && other.host === String(host));
    let host = await suggest(container, kind);
    while (isOffered(host) && host < 65535) host = await suggest(host + 1, kind);
    offered.push({ host: String(host), container: String(container), protocol: kind });
  }
  return offered;
}
