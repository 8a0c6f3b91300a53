/**
 * Loaded into every disk thread before our own code: a write or a sync of a file in the folder of a node
 * is held by the kernel while a pipe named `<folder>.held-<call>` stands beside the folder.
 */
const fs = require('node:fs');

for (const name of ['writevSync', 'fdatasyncSync']) {
  const call = fs[name];
  fs[name] = (descriptor, ...rest) => {
    const path = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
    const folder = /^(.*?\/[a-e])\//.exec(path)?.[1];
    const pipe = `${folder}.held-${name}`;
    // Opened for reading, a pipe lets nobody go before somebody opens it for writing.
    if (fs.existsSync(pipe)) fs.closeSync(fs.openSync(pipe, 'r'));
    return call(descriptor, ...rest);
  };
}
