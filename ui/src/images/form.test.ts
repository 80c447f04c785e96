import { expect, it } from 'vitest';
import { readPort, request, valid, type Form } from './form';

const form = (more: Partial<Form>): Form => ({ name: ' web ', ports: [], volumes: [], variables: [], ...more });

it('a port is 1 to 65535', () => {
  expect(['', '80', ' 8080 ', '0', '65536', '8o', '-1'].map(readPort)).toEqual([undefined, 80, 8080, null, null, null, null]);
});

it('empty rows are left out, and what is typed is kept', () => {
  const asked = request('nginx', form({
    ports: [{ host: '', container: '80', protocol: 'tcp' }, { host: '', container: ' ', protocol: 'udp' }],
    volumes: [{ source: 'data', target: ' /data ', readOnly: true }, { source: '', target: '', readOnly: false }],
    variables: [{ name: 'A', value: ' b ' }, { name: '', value: '' }],
  }));
  expect(asked).toEqual({
    image: 'nginx',
    name: 'web',
    ports: [{ host: null, container: 80, protocol: 'tcp' }],
    volumes: [{ source: 'data', target: '/data', read_only: true }],
    environment: [{ name: 'A', value: ' b ' }],
  });
});

it('a host port needs a container port', () => {
  expect(valid(form({ ports: [{ host: '80', container: '', protocol: 'tcp' }] }))).toBe(false);
  expect(valid(form({ ports: [{ host: '', container: '', protocol: 'tcp' }] }))).toBe(true);
  expect(valid(form({ ports: [{ host: '99999', container: '80', protocol: 'tcp' }] }))).toBe(false);
});
