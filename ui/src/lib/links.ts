import { asError, call } from './ipc/call';
import { text } from './i18n/index.svelte';
import { notify } from './ui/notices.svelte';

/** Opens a page in the browser; where there is none, tells its address. */
export async function openLink(url: string): Promise<void> {
  try {
    await call('link_open', { url });
  } catch (thrown) {
    notify('bad', `${text.current.started.noBrowser} ${url}`, asError(thrown).message);
  }
}
