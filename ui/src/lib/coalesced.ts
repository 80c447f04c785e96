/**
 * `work` that runs one at a time: what asks for it while it runs makes it run once more after that, so that the last
 * look is always later than the last change, and an older answer never comes after a newer one.
 */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running = false;
  let again = false;
  return async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = false;
    }
  };
}
