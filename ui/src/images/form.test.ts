import { expect, it } from 'vitest';
import { offerPorts, readPort, request, valid, wrongPort, wrongVariable, wrongVolume, type Form, type VolumeField } from './form';

const form = (more: Partial<Form>): Form => ({ name: ' web ', ports: [], volumes: [], variables: [], ...more });
const volume = (source: string, target: string, offered = false): VolumeField => ({ source, target, readOnly: false, offered });

it('a port is 1 to 65535', () => {
  expect(['', '80', ' 8080 ', '0', '65536', '8o', '-1'].map(readPort)).toEqual([undefined, 80, 8080, null, null, null, null]);
});

it('empty rows are left out, and what is typed is kept', () => {
  const asked = request('nginx', form({
    ports: [{ host: '', container: '80', protocol: 'tcp' }, { host: '', container: ' ', protocol: 'udp' }],
    volumes: [{ ...volume('data', ' /data '), readOnly: true }, volume('', ''), volume('', '/offered', true)],
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

it('what is wrong is told by its field', () => {
  expect(wrongPort({ host: '80', container: '', protocol: 'tcp' })).toEqual({ field: 'container', why: 'containerPort' });
  expect(wrongPort({ host: '', container: '', protocol: 'tcp' })).toBeNull();
  expect(wrongPort({ host: '99999', container: '80', protocol: 'tcp' })).toEqual({ field: 'host', why: 'port' });
  expect(wrongVolume(volume('data', ''))).toEqual({ field: 'target', why: 'target' });
  expect(wrongVolume(volume('data', 'relative'))).toEqual({ field: 'target', why: 'target' });
  expect(wrongVolume(volume(' ', '/data'))).toEqual({ field: 'source', why: 'source' });
  expect(wrongVolume(volume('', '/data', true))).toBeNull();
  expect(wrongVariable({ name: '', value: 'x' })).toEqual({ field: 'name', why: 'variable' });
  expect(wrongVariable({ name: 'A=B', value: '' })).toEqual({ field: 'name', why: 'variable' });
  expect(wrongVariable({ name: 'A', value: '' })).toBeNull();
  expect(valid(form({ volumes: [volume('data', 'relative')] }))).toBe(false);
  expect(valid(form({ ports: [{ host: '80', container: '', protocol: 'tcp' }] }))).toBe(false);
  expect(valid(form({ variables: [{ name: '', value: 'x' }] }))).toBe(false);
  expect(valid(form({}))).toBe(true);
});

it('no port of this machine is offered twice', async () => {
  const taken = new Set([80, 443]);
  const suggest = async (wanted: number): Promise<number> => {
    let port = taken.has(wanted) ? 8000 + (wanted % 1000) : wanted;
    while (taken.has(port)) port += 1;
    return port;
  };
  const offered = await offerPorts(['80/tcp', '8080/tcp', '8080/udp', '8081/tcp', 'x/tcp', '9/sctp'], suggest);
  expect(offered.map((port) => `${port.host}:${port.container}/${port.protocol}`)).toEqual(['8080:80/tcp', '8081:8080/tcp', '8080:8080/udp', '8082:8081/tcp']);
});
