import { call } from '../lib/ipc/call';
import type { Volume } from '../lib/ipc/types';
import { LiveList } from '../lib/live.svelte';

// Containers decide which volumes are in use.
export const volumes = new LiveList<Volume>(() => call('volumes_list'), ['volume', 'container']);
