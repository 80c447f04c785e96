// A stand-in for the Rust side, to work on the window's looks in a browser (`npm run dev`). Never in a build or a test.
import type { Channel } from '@tauri-apps/api/core';
import { mockIPC, mockWindows } from '@tauri-apps/api/mocks';
import type { Container, Details, EngineChoice, EngineState, Image, LogLine, Machine, MachineState, MachineUse, PullStep, Sample, Volume } from './types';

const now = (): number => Math.floor(Date.now() / 1000);
const names = ['getting-started', 'postgres', 'redis-cache', 'api', 'worker', 'web-frontend'];
const imageNames = ['gantry/getting-started:latest', 'postgres:17', 'redis:7-alpine', 'registry.example:5000/team/api:2.4.1', 'registry.example:5000/team/worker:2.4.1', 'nginx:latest'];
const states = ['running', 'running', 'paused', 'exited', 'exited', 'created'];

const containers: Container[] = names.map((name, at) => ({
  id: `${at}f3c`.padEnd(64, 'a71'),
  name,
  image: imageNames[at] ?? '',
  image_id: `sha256:${at}`,
  state: states[at] ?? 'created',
  exit_code: at === 3 ? 137 : at === 4 ? 0 : null,
  created: now() - at * at * 4000 - 60,
  command: 'serve',
  ports:
    at === 0
      ? [{ container: 80, host: 8080, address: '0.0.0.0', protocol: 'tcp' }, { container: 80, host: 8080, address: '::', protocol: 'tcp' }]
      : [{ container: 5432 + at, host: at === 1 ? 5432 : null, address: '', protocol: 'tcp' }],
}));
const images: Image[] = imageNames.map((tag, at) => ({ id: `sha256:${at}9ab3c77d1e2f`, tags: [tag], size: 5_000_000 * (at + 1) ** 3, created: now() - at * 90_000, used_by: at < 5 ? [names[at] ?? ''] : [] }));
const volumes: Volume[] = [{ name: 'pgdata', mountpoint: '/var/lib/gantry/volumes/pgdata/_data', created: new Date().toISOString(), used_by: ['postgres'] }];

const details = (container: Container): Details => ({
  ...container,
  oom_killed: container.exit_code === 137,
  error: '',
  started: new Date(Date.now() - 200_000).toISOString(),
  finished: '',
  created: new Date(Date.now() - 300_000).toISOString(),
  command: ['serve', '--root', '/site'],
  working_dir: '/',
  user: '',
  tty: false,
  environment: ['PATH=/usr/local/bin:/usr/bin:/bin', 'LANG=C.UTF-8'],
  mounts: [{ kind: 'volume', source: 'pgdata', target: '/var/lib/postgresql/data', writable: true }],
  networks: [{ name: 'bridge', address: '172.17.0.2', gateway: '172.17.0.1', mac: '02:42:ac:11:00:02' }],
  restart: 'no',
  restart_count: 0,
  memory_limit: 0,
  cpu_limit: 0,
  labels: { 'org.opencontainers.image.title': 'Getting started' },
  json: JSON.stringify(container, null, 2),
});

type Args = Record<string, unknown>;
const channel = <T>(args: Args, name: string): Channel<T> => args[name] as Channel<T>;
const forever = (): Promise<never> => new Promise(() => undefined);

async function logs(args: Args): Promise<unknown> {
  await Promise.resolve();
  const count = Number(new URLSearchParams(location.search).get('lines') ?? 300);
  for (let at = 0; at < count; at += 2000) {
    const lines: LogLine[] = Array.from({ length: Math.min(2000, count - at) }, (_, n) => ({
      time: new Date(Date.now() - (count - at - n) * 700).toISOString(),
      stderr: (at + n) % 17 === 5,
      text: (at + n) % 17 === 5 ? `\x1b[31mERROR\x1b[0m request ${at + n} failed: upstream \x1b[33m503\x1b[0m after 3 tries ${'and more '.repeat(20)}` : `\x1b[32mINFO\x1b[0m 172.17.0.1 - "GET /tutorial/${at + n}/ HTTP/1.1" 200 5312`,
    }));
    channel<LogLine[]>(args, 'lines').onmessage(lines);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  return forever();
}

async function stats(args: Args): Promise<unknown> {
  await Promise.resolve();
  const sample: Sample = { time: '', cpu_percent: 3, cpus: 2, memory: 24e6, memory_limit: 16e9, received: 0, sent: 0, read: 0, written: 0, processes: 4 };
  const tell = (time: number): void => {
    sample.time = new Date(time).toISOString();
    sample.cpu_percent = 20 + Math.sin(time / 7000) * 18;
    sample.memory += Math.sin(time / 9000) * 900_000;
    sample.received += 40_000 * Math.abs(Math.sin(time / 5000));
    sample.sent += 90_000 * Math.abs(Math.cos(time / 6000));
    sample.written += 20_000 * Math.abs(Math.cos(time / 3000));
    channel<Sample>(args, 'samples').onmessage({ ...sample });
  };
  for (let ago = 90; ago > 0; ago--) tell(Date.now() - ago * 1000);
  setInterval(() => tell(Date.now()), 1000);
  return forever();
}

async function pull(args: Args): Promise<null> {
  await Promise.resolve();
  const steps = channel<PullStep[]>(args, 'steps');
  for (let at = 0; at <= 100; at += 5) {
    steps.onmessage(['a1b2c3d4e5f6', 'b7c8d9e0f1a2', 'c3d4e5f60718'].map((layer, n) => ({ layer, status: at > 60 + n * 15 ? 'Pull complete' : at > 40 + n * 15 ? 'Extracting' : 'Downloading', current: Math.min(100, at * 2), total: 100 })));
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return null;
}

const GIB = 1024 ** 3;
const failed: MachineState = { state: 'failed', stage: 'kernel', message: 'the guest did not answer within 60 s', console: ['[    0.412] virtio_blk virtio2: [vda] 131072 512-byte logical blocks', '[    0.518] Kernel panic - not syncing: VFS: Unable to mount root fs'], advice: 'Give the machine more memory, or see how far it came in its console.' };
const machine = (state: MachineState): Machine => ({
  name: 'default',
  address: 'unix:///run/user/1000/gantry/default/api.sock',
  state,
  limits: { cpus: 4, memory: 4 * GIB, disk: 64 * GIB },
  bounds: { cpus: 8, least_memory: GIB / 4, most_memory: 15.6 * GIB, least_disk: 64 * GIB },
  backend: 'qemu',
  accelerator: 'kvm',
  image: '0.1.0',
  shares: ['/home/anna'],
  warnings: [],
});
const machineStates: Record<string, MachineState> = {
  missing: { state: 'missing' },
  stopped: { state: 'stopped' },
  starting: { state: 'starting', stage: 'kernel', done: [{ stage: 'image', took: 130 }, { stage: 'vm', took: 410 }] },
  running: { state: 'running', since: Date.now() },
  failed,
};
const use: MachineUse = { time: 0, load: 0.42, memory_used: 812e6, memory_taken: 1.1e9, disk_used: 3.2e9, disk_taken: 3.9e9, disk_size: 64 * GIB, ports: [] };

export function install(): void {
  mockWindows('main');
  const away = new URLSearchParams(location.search).get('away');
  const empty = new URLSearchParams(location.search).has('empty');
  const machineIs = new URLSearchParams(location.search).get('machine');
  mockIPC((command, payload) => {
    const args = (payload ?? {}) as Args;
    const named = (): Container => containers.find((container) => container.id === args.id) ?? (containers[0] as Container);
    switch (command) {
      case 'engine_watch': {
        const state: EngineState = machineIs === 'starting' ? { state: 'booting', machine: 'default' } : away
          ? { state: 'away', endpoint: 'unix:///run/gantry/gantry.sock', reason: away as 'ended', detail: 'gantryd: cannot open /var/lib/gantry: Permission denied' }
          : { state: 'ready', endpoint: 'unix:///run/gantry/gantry.sock', name: 'Gantry', version: '0.1.0', api_version: '1.47' };
        channel<EngineState>(args, 'states').onmessage(state);
        return forever();
      }
      case 'engine_choice':
      case 'engine_choose': {
        const choice: EngineChoice = { home: machineIs ? 'machine' : 'native', machine: machineIs ? 'default' : null, both: true, decided_by: null };
        return choice;
      }
      case 'machines_list':
        return ['default'];
      case 'machine_watch':
        channel<Machine>(args, 'machine').onmessage(machine(machineStates[machineIs ?? 'missing'] ?? failed));
        return forever();
      case 'machine_figures':
        channel<MachineUse>(args, 'figures').onmessage(use);
        return forever();
      case 'machine_console':
        channel<string[]>(args, 'lines').onmessage(['gantry: boot mounting the root', 'gantry: data disk is 64 GiB, ext4', 'gantry: engine listening']);
        return forever();
      case 'machine_set':
        return 'at_next_start';
      case 'events_watch':
        return forever();
      case 'containers_list':
        return empty ? [] : containers;
      case 'images_list':
        return empty ? [] : images;
      case 'volumes_list':
        return empty ? [] : volumes;
      case 'container_inspect':
        return details(named());
      case 'logs_follow':
        return logs(args);
      case 'stats_follow':
        return stats(args);
      case 'image_pull':
        return pull(args);
      case 'image_defaults':
        return { ports: ['80/tcp'], volumes: [] };
      case 'port_suggest':
        return args.wanted === 80 ? 8080 : args.wanted;
      case 'terminal_open': {
        channel<ArrayBuffer>(args, 'output').onmessage(new TextEncoder().encode('\x1b[1;32m/ # \x1b[0mls\r\n\x1b[34mbin\x1b[0m  \x1b[34metc\x1b[0m\r\n/ # ').buffer as ArrayBuffer);
        return forever();
      }
      case 'getting_started':
        return new Promise((resolve) => setTimeout(() => resolve({ url: 'http://localhost:8080/', container: containers[0]?.id }), 1200));
      default:
        return null;
    }
  });
}
