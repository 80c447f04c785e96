// The run form's fields, and what they mean.
import type { RunRequest } from '../lib/ipc/types';

export interface PortField {
  host: string;
  container: string;
  protocol: 'tcp' | 'udp';
}
export interface VolumeField {
  source: string;
  target: string;
  readOnly: boolean;
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

/** What the form asks for; rows that are left empty are left out. */
export function request(image: string, form: Form): RunRequest {
  return {
    image,
    name: form.name.trim(),
    ports: form.ports
      .filter((port) => port.container.trim())
      .map((port) => ({ host: readPort(port.host) ?? null, container: readPort(port.container) ?? 0, protocol: port.protocol })),
    volumes: form.volumes
      .filter((volume) => volume.source.trim() || volume.target.trim())
      .map((volume) => ({ source: volume.source.trim(), target: volume.target.trim(), read_only: volume.readOnly })),
    environment: form.variables.filter((variable) => variable.name.trim() || variable.value).map((variable) => ({ name: variable.name.trim(), value: variable.value })),
  };
}

/** Whether every port that is typed is one. */
export function valid(form: Form): boolean {
  return form.ports.every((port) => readPort(port.host) !== null && readPort(port.container) !== null && (readPort(port.host) === undefined || readPort(port.container) !== undefined));
}
