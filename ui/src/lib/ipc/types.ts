// Written from the Rust types by src-tauri/src/bindings.rs. Do not edit.

export type CommandError = { code: ErrorCode, message: string, };

export type ErrorCode = "engine_away" | "not_found" | "conflict" | "refused" | "invalid_input" | "cancelled" | "failed";

export type EngineState = { "state": "connecting" } | { "state": "starting", asking: boolean, } | { "state": "ready", endpoint: string, name: string, version: string, api_version: string, } | { "state": "away", endpoint: string, reason: AwayReason, detail: string, };

export type AwayReason = "not_answering" | "no_access" | "bad_answer" | "bad_address" | "binary_missing" | "no_privilege" | "declined" | "shared_group" | "ended" | "lost";

export type EngineEvent = { kind: string, action: string, id: string, };

export type Container = { id: string, name: string, image: string, image_id: string, state: string, exit_code: number | null, created: number, command: string, ports: Array<Port>, };

export type Port = { container: number, host: number | null, address: string, protocol: string, };

export type Action = "start" | "stop" | "restart" | "pause" | "unpause" | "delete";

export type Details = { id: string, name: string, image: string, image_id: string, state: string, exit_code: number | null, oom_killed: boolean, error: string, created: string, started: string, finished: string, command: Array<string>, working_dir: string, user: string, tty: boolean, environment: Array<string>, ports: Array<Port>, mounts: Array<Mount>, networks: Array<Network>, restart: string, restart_count: number, memory_limit: number, cpu_limit: number, labels: { [key in string]: string }, json: string, };

export type Mount = { kind: string, source: string, target: string, writable: boolean, };

export type Network = { name: string, address: string, gateway: string, mac: string, };

export type LogLine = { time: string, stderr: boolean, text: string, };

export type Sample = { time: string, cpu_percent: number | null, cpus: number, memory: number, memory_limit: number, received: number, sent: number, read: number, written: number, processes: number, };

export type Image = { id: string, tags: Array<string>, size: number, created: number, used_by: Array<string>, };

export type PullStep = { layer: string, status: string, current: number | null, total: number | null, };

export type RunRequest = { image: string, name: string, ports: Array<PublishRequest>, volumes: Array<MountRequest>, environment: Array<Variable>, };

export type PublishRequest = { host: number | null, container: number, protocol: string, };

export type MountRequest = { source: string, target: string, read_only: boolean, };

export type Variable = { name: string, value: string, };

export type ImageDefaults = { ports: Array<string>, volumes: Array<string>, };

export type Volume = { name: string, mountpoint: string, created: string, used_by: Array<string>, };

export type StartedStep = "loading" | "starting" | "waiting";

export type StartedPage = { url: string, container: string, };
