// Written from the Rust types by src-tauri/src/bindings.rs. Do not edit.

export type CommandError = { 
/**
 * What kind of failure this is.
 */
code: ErrorCode, 
/**
 * The sentence for the person.
 */
message: string, };

export type ErrorCode = "engine_away" | "not_found" | "conflict" | "refused" | "invalid_input" | "cancelled" | "failed";

export type EngineState = { "state": "connecting" } | { "state": "starting", 
/**
 * Whether the desktop is asking the person for permission.
 */
asking: boolean, } | { "state": "booting", 
/**
 * The machine's name.
 */
machine: string, } | { "state": "ready", 
/**
 * Where it listens, as a URL.
 */
endpoint: string, 
/**
 * Its name, as it tells (`Gantry`, `Docker Engine - Community`).
 */
name: string, 
/**
 * Its version.
 */
version: string, 
/**
 * The API version spoken with it.
 */
api_version: string, } | { "state": "away", 
/**
 * Where it should listen, as a URL.
 */
endpoint: string, 
/**
 * What happened.
 */
reason: AwayReason, 
/**
 * What the engine or the desktop said about it; may be empty.
 */
detail: string, };

export type AwayReason = "not_answering" | "no_access" | "bad_answer" | "bad_address" | "binary_missing" | "no_privilege" | "declined" | "shared_group" | "ended" | "lost" | "machine_stopped" | "machine_failed";

export type EngineEvent = { 
/**
 * The kind of thing: `container`, `image`, `volume`, `network`.
 */
kind: string, 
/**
 * What happened to it: `start`, `die`, `pull` …
 */
action: string, 
/**
 * Its id, or name.
 */
id: string, };

export type EngineChoice = { 
/**
 * Where it runs; `None` where it is someone else's.
 */
home: Home | null, 
/**
 * The machine that it runs in.
 */
machine: string | null, 
/**
 * Whether this system can run it both ways.
 */
both: boolean, 
/**
 * What decides instead of the person: `DOCKER_HOST`, `docker context`.
 */
decided_by: string | null, };

export type Home = "native" | "machine";

export type Machine = { 
/**
 * Its name.
 */
name: string, 
/**
 * What goes into `DOCKER_HOST`.
 */
address: string, 
/**
 * What it is doing.
 */
state: MachineState, 
/**
 * What it may use.
 */
limits: Limits, 
/**
 * What its limits may be.
 */
bounds: Bounds, 
/**
 * What runs it: `qemu`, `vfkit`, `hyperv`, `wsl`.
 */
backend: string, 
/**
 * What helps the processor: `kvm`, `hvf`, `whpx`, or `tcg` where nothing does; `None` before it is known.
 */
accelerator: string | null, 
/**
 * The version of the guest image that runs, or ran last.
 */
image: string | null, 
/**
 * Folders of this computer that containers can mount.
 */
shares: Array<string>, 
/**
 * What a person should know though it runs.
 */
warnings: Array<string>, };

export type MachineState = { "state": "missing" } | { "state": "stopped" } | { "state": "starting", 
/**
 * The step it is at.
 */
stage: Stage, 
/**
 * The steps before, and how long they took.
 */
done: Array<StageTime>, } | { "state": "running", 
/**
 * Since when, in milliseconds after 1970.
 */
since: number, } | { "state": "paused" } | { "state": "stopping" } | { "state": "failed", 
/**
 * The step that failed; `None` where it ran already.
 */
stage: Stage | null, 
/**
 * What went wrong.
 */
message: string, 
/**
 * The last lines of the guest's console.
 */
console: Array<string>, 
/**
 * What to try.
 */
advice: string, };

export type Stage = "image" | "vm" | "kernel" | "engine";

export type StageTime = { 
/**
 * The step.
 */
stage: Stage, 
/**
 * Milliseconds.
 */
took: number, };

export type Limits = { 
/**
 * Processors.
 */
cpus: number, 
/**
 * Bytes of memory.
 */
memory: number, 
/**
 * Bytes of its data disk. They are taken of this computer's as they are used.
 */
disk: number, };

export type Bounds = { 
/**
 * This computer's processors.
 */
cpus: number, 
/**
 * The least memory, in bytes.
 */
least_memory: number, 
/**
 * This computer's memory, in bytes.
 */
most_memory: number, 
/**
 * The least disk, in bytes: a disk only grows.
 */
least_disk: number, };

export type Applied = "now" | "at_next_start";

export type MachineUse = { 
/**
 * Milliseconds after 1970.
 */
time: number, 
/**
 * How many processors had work over the last minute, in the mean; `None` where the guest doesn't tell.
 */
load: number | null, 
/**
 * Bytes that programs in the guest use; `None` where it doesn't tell.
 */
memory_used: number | null, 
/**
 * Bytes that the machine has of this computer's memory now.
 */
memory_taken: number | null, 
/**
 * Bytes in use on its data disk; `None` where the guest doesn't tell.
 */
disk_used: number | null, 
/**
 * Bytes that the data disk takes of this computer's.
 */
disk_taken: number, 
/**
 * Bytes that it may take at most.
 */
disk_size: number, 
/**
 * Ports of this computer that lead to containers, as `tcp 127.0.0.1:80`.
 */
ports: Array<string>, };

export type Container = { 
/**
 * The full id.
 */
id: string, 
/**
 * The name, without the slash that the API puts before it.
 */
name: string, 
/**
 * The image as it was named at create.
 */
image: string, 
/**
 * The image's id.
 */
image_id: string, 
/**
 * `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
 */
state: string, 
/**
 * The exit code of one that has exited.
 */
exit_code: number | null, 
/**
 * Seconds since 1970.
 */
created: number, 
/**
 * The command line, shortened by nobody.
 */
command: string, 
/**
 * What it exposes and publishes, ordered.
 */
ports: Array<Port>, };

export type Port = { 
/**
 * In the container.
 */
container: number, 
/**
 * On this machine, where it is published.
 */
host: number | null, 
/**
 * The address on this machine.
 */
address: string, 
/**
 * `tcp`, `udp` or `sctp`.
 */
protocol: string, };

export type Action = "start" | "stop" | "restart" | "pause" | "unpause" | "delete";

export type Details = { 
/**
 * The full id.
 */
id: string, 
/**
 * The name.
 */
name: string, 
/**
 * The image as it was named at create.
 */
image: string, 
/**
 * The image's id.
 */
image_id: string, 
/**
 * `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
 */
state: string, 
/**
 * The exit code of one that has exited.
 */
exit_code: number | null, 
/**
 * Whether the kernel killed it for want of memory.
 */
oom_killed: boolean, 
/**
 * What went wrong at its start.
 */
error: string, 
/**
 * RFC 3339; empty for never.
 */
created: string, 
/**
 * RFC 3339; empty for never.
 */
started: string, 
/**
 * RFC 3339; empty for never.
 */
finished: string, 
/**
 * What runs, argument by argument.
 */
command: Array<string>, 
/**
 * Where it runs.
 */
working_dir: string, 
/**
 * Who it runs as; empty for root.
 */
user: string, 
/**
 * Whether it has a terminal.
 */
tty: boolean, 
/**
 * `NAME=value`, as the container sees them.
 */
environment: Array<string>, 
/**
 * Ports, exposed and published.
 */
ports: Array<Port>, 
/**
 * What is mounted where.
 */
mounts: Array<Mount>, 
/**
 * Networks it is on.
 */
networks: Array<Network>, 
/**
 * `no`, `always`, `unless-stopped`, `on-failure:3`.
 */
restart: string, 
/**
 * How often it was started again.
 */
restart_count: number, 
/**
 * Bytes of memory it may use; 0 for no limit.
 */
memory_limit: number, 
/**
 * Processors it may use; 0 for no limit.
 */
cpu_limit: number, 
/**
 * Labels, ordered.
 */
labels: { [key in string]: string }, 
/**
 * Everything, as the engine tells it.
 */
json: string, };

export type Mount = { 
/**
 * `bind`, `volume` or `tmpfs`.
 */
kind: string, 
/**
 * A path of this machine, or a volume's name.
 */
source: string, 
/**
 * The path in the container.
 */
target: string, 
/**
 * Whether it may be written to.
 */
writable: boolean, };

export type Network = { 
/**
 * Its name.
 */
name: string, 
/**
 * The container's address there.
 */
address: string, 
/**
 * The gateway.
 */
gateway: string, 
/**
 * The container's hardware address there.
 */
mac: string, };

export type LogLine = { 
/**
 * When it was written: RFC 3339; empty where the engine doesn't tell.
 */
time: string, 
/**
 * Whether it came from stderr.
 */
stderr: boolean, 
/**
 * Its text, without the line's end.
 */
text: string, };

export type Sample = { 
/**
 * RFC 3339.
 */
time: string, 
/**
 * Percent of one processor; `None` in the first reading, which has nothing to compare with.
 */
cpu_percent: number | null, 
/**
 * Processors that the container sees.
 */
cpus: number, 
/**
 * Bytes in use, without what the kernel would give back at once.
 */
memory: number, 
/**
 * Bytes it may use: its own limit, else the machine's memory.
 */
memory_limit: number, 
/**
 * Bytes received.
 */
received: number, 
/**
 * Bytes sent.
 */
sent: number, 
/**
 * Bytes read from disks.
 */
read: number, 
/**
 * Bytes written to disks.
 */
written: number, 
/**
 * Processes and threads.
 */
processes: number, };

export type Image = { 
/**
 * `sha256:…`.
 */
id: string, 
/**
 * Its names; none for a dangling image.
 */
tags: Array<string>, 
/**
 * Bytes.
 */
size: number, 
/**
 * Seconds since 1970.
 */
created: number, 
/**
 * Names of containers made from it, ordered.
 */
used_by: Array<string>, };

export type PullStep = { 
/**
 * The layer's short id; empty for a word about the whole pull.
 */
layer: string, 
/**
 * Docker's word for what happens: `Downloading`, `Extracting`, `Pull complete` …
 */
status: string, 
/**
 * Bytes done.
 */
current: number | null, 
/**
 * Bytes in all.
 */
total: number | null, };

export type Protocol = "tcp" | "udp";

export type RunRequest = { 
/**
 * The image's name or id.
 */
image: string, 
/**
 * Empty for a name of the engine's choice.
 */
name: string, 
/**
 * Ports to publish.
 */
ports: Array<PublishRequest>, 
/**
 * What to mount.
 */
volumes: Array<MountRequest>, 
/**
 * Variables to set.
 */
environment: Array<Variable>, };

export type PublishRequest = { 
/**
 * On this machine; `None` for one of the engine's choice.
 */
host: number | null, 
/**
 * In the container.
 */
container: number, 
/**
 * TCP or UDP.
 */
protocol: Protocol, };

export type MountRequest = { 
/**
 * An absolute path of this machine, or a volume's name.
 */
source: string, 
/**
 * An absolute path in the container.
 */
target: string, 
/**
 * Whether the container may only read it.
 */
read_only: boolean, };

export type Variable = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its value.
 */
value: string, };

export type ImageDefaults = { 
/**
 * Ports it exposes: `80/tcp`, ordered.
 */
ports: Array<string>, 
/**
 * Paths it keeps data at, ordered.
 */
volumes: Array<string>, };

export type Volume = { 
/**
 * Its name.
 */
name: string, 
/**
 * Where its data is on the engine's machine.
 */
mountpoint: string, 
/**
 * RFC 3339; empty where the engine doesn't tell.
 */
created: string, 
/**
 * Names of containers that mount it, ordered.
 */
used_by: Array<string>, };

export type StartedStep = "loading" | "starting" | "waiting";

export type StartedPage = { 
/**
 * Where it answers.
 */
url: string, 
/**
 * The container that serves it.
 */
container: string, };
