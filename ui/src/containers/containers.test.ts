import { expect, it } from 'vitest';
import type { Container, Port } from '../lib/ipc/types';
import { actionsFor, distinctPorts, matches, portText, portUrl } from './containers';

const port = (host: number | null, container: number, address = '0.0.0.0', protocol = 'tcp'): Port => ({ host, container, address, protocol });

it('a published TCP port is a link', () => {
  expect(portUrl(port(8080, 80))).toBe('http://localhost:8080/');
  expect(portUrl(port(80, 80, '::'))).toBe('http://localhost/');
  expect(portUrl(port(81, 80, '127.0.0.2'))).toBe('http://127.0.0.2:81/');
  expect(portUrl(port(81, 80, '::1'))).toBe('http://[::1]:81/');
  expect(portUrl(port(53, 53, '', 'udp'))).toBeNull();
  expect(portUrl(port(null, 80, ''))).toBeNull();
});

it('IPv4 and IPv6 of one port are one', () => {
  const ports = [port(null, 443, ''), port(8080, 80), port(8080, 80, '::'), port(53, 53, '0.0.0.0', 'udp'), port(null, 80, '')];
  expect(distinctPorts(ports).map(portText)).toEqual(['53:53/udp', '8080:80', '443/tcp']);
});

it('a search needs every word', () => {
  const container = { name: 'web', image: 'nginx:1', id: 'abc', state: 'running', ports: [port(8080, 80)] } as unknown as Container;
  expect(matches(container, 'NGINX run')).toBe(true);
  expect(matches(container, '8080')).toBe(true);
  expect(matches(container, 'nginx exited')).toBe(false);
});

it('only what makes sense can be done', () => {
  expect(actionsFor('running')).not.toContain('start');
  expect(actionsFor('exited')).toEqual(['start', 'delete']);
  expect(actionsFor('paused')).toContain('unpause');
  expect(actionsFor('removing')).toEqual([]);
});
