/**
 * The directory lock: a directory belongs to one process at a time, and a killed process lets go.
 *
 * Node has no `flock`. What the kernel does close when a process dies, however it dies, is a listening
 * socket: so the lock is a Unix domain socket in the directory. Who can connect to it knows that its
 * holder lives; who is refused knows that it is dead for good.
 *
 * A lock is a name: `lock.0.sock` is the lock itself. It is taken by listening under a name of one's
 * own and linking that to the lock's name, which is exclusive. A dead holder leaves its name behind.
 * To remove the name of level n one must hold the lock of level n + 1, and find the name dead while
 * holding it: a dead socket never wakes, and nobody else may remove it meanwhile, so what is removed
 * is what was found dead. Moving the dead name away by a rename and looking afterwards whether it was
 * the right one needs one level only, but has a moment in which a live lock is out of its place.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { link, open, unlink } from 'node:fs/promises';
import net from 'node:net';
import { resolve } from 'node:path';
import { CodedError, optionInvalid } from '@quorate/core';
import { diskError } from './disk-error.ts';
import { nodeFileSystem } from './node-file-system.ts';

/** The claim of this process to a directory. */
export interface DirectoryLock {
  /** Lets go. Safe to call twice. The end of the process does the same. */
  release(): Promise<void>;
}

/** A socket address has room for 103 bytes on every system that we know. */
const socketPathBytesMax = 100;
/** A level beyond the first exists for a moment only; more of them dead than this is no accident. */
const levelsMax = 8;
/** How often a holder may vanish between our attempt and our look at it before we call it in use. */
const attemptsMax = 20;

/**
 * Takes the directory for this process, making it when it does not exist. The lock does not keep the
 * process alive. Works where the file system has sockets and hard links; not on Windows.
 * @throws ERR_DIRECTORY_IN_USE another process (or another part of this one) holds it
 * @throws ERR_DISK_FULL, ERR_DISK_FAILED the directory cannot be written
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = resolve(directory);
  try {
    await nodeFileSystem().makeDirectory(path);
    const place = await socketPlace(path);
    try {
      return await takeLevel(place, 0);
    } finally {
      await place.close();
    }
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw diskError(errno(error) ?? 'UNKNOWN', 'lock', path, error);
  }
}

/** Where names are made (`path`), and the same directory by a name short enough for a socket address. */
interface SocketPlace {
  readonly path: string;
  readonly socketPath: string;
  close(): Promise<void>;
}

async function socketPlace(path: string): Promise<SocketPlace> {
  const longest = Buffer.byteLength(`${path}/${privateName()}`);
  if (longest <= socketPathBytesMax) return { path, socketPath: path, close: async () => undefined };
  if (process.platform !== 'linux') {
    throw optionInvalid('directory', path, `a path that leaves a socket in it ${socketPathBytesMax} bytes`);
  }
  const handle = await open(path, fs.constants.O_DIRECTORY);
  return { path, socketPath: `/proc/self/fd/${handle.fd}`, close: () => handle.close() };
}

function privateName(): string {
  return `lock.${randomBytes(6).toString('hex')}.sock`;
}

async function takeLevel(place: SocketPlace, level: number): Promise<DirectoryLock> {
  const name = `lock.${level}.sock`;
  if (level > levelsMax) throw inUse(place);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const lock = await tryTake(place, name);
    if (lock !== undefined) return lock;
    const holder = await probe(`${place.socketPath}/${name}`);
    if (holder === 'alive') throw inUse(place);
    if (holder === 'dead') await removeDead(place, level);
  }
  throw inUse(place);
}

function inUse({ path }: SocketPlace): CodedError {
  return new CodedError('ERR_DIRECTORY_IN_USE', `${path} is in use by another process`, { directory: path });
}

/** Undefined when the name is taken. */
async function tryTake(place: SocketPlace, name: string): Promise<DirectoryLock | undefined> {
  const own = privateName();
  const server = await listen(`${place.socketPath}/${own}`);
  const linked = await link(`${place.path}/${own}`, `${place.path}/${name}`).then(
    () => true,
    (error: unknown) => {
      if (errno(error) === 'EEXIST') return false;
      server.close();
      throw error;
    },
  );
  await unlink(`${place.path}/${own}`);
  if (!linked) {
    await close(server);
    return undefined;
  }
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    // The name goes first: once the socket is closed, the name may be another's.
    await unlink(`${place.path}/${name}`).catch(() => undefined);
    await close(server);
  };
  return {
    release() {
      released ??= release();
      return released;
    },
  };
}

/** Removes the name of a dead holder, if it is still there and still dead when that is safe to do. */
async function removeDead(place: SocketPlace, level: number): Promise<void> {
  const guard = await takeLevel(place, level + 1);
  try {
    const name = `lock.${level}.sock`;
    if ((await probe(`${place.socketPath}/${name}`)) === 'dead') await unlink(`${place.path}/${name}`);
  } finally {
    await guard.release();
  }
}

function listen(path: string): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.on('error', reject);
    server.listen({ path, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function close(server: net.Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Whether anybody listens at `path`. A holder too busy to accept is alive: its queue may even be full. */
function probe(path: string): Promise<'alive' | 'dead' | 'absent'> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    socket.on('connect', () => {
      socket.destroy();
      resolve('alive');
    });
    socket.on('error', (error) => {
      const name = errno(error);
      if (name === 'ECONNREFUSED') resolve('dead');
      else if (name === 'ENOENT') resolve('absent');
      else if (name === 'EAGAIN') resolve('alive');
      else reject(error);
    });
  });
}

function errno(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
