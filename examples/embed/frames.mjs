/**
 * Frames of the wire: a small part of STOMP 1.2. A command, headers, an empty line, a body, a NUL;
 * lines end in LF. A body may hold a NUL when `content-length` says how long it is.
 *
 * What comes from the network is bounded before memory is given to it: a parser never holds more
 * than one head, one body and one chunk of the socket.
 */

export const frameLimits = Object.freeze({ headBytes: 4 * 1024, bodyBytes: 64 * 1024 });

const LF = 0x0a;
const escapes = new Map([
  ['\\', '\\\\'],
  ['\r', '\\r'],
  ['\n', '\\n'],
  [':', '\\c'],
]);
const unescapes = new Map([...escapes].map(([plain, escaped]) => [escaped, plain]));

/** What the peer did wrong; `code` is what programs go by. */
export class ProtocolError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
  }
}

/** Refuses a name from a header that is absent, too long, or made of other characters. */
export function checkName(header, name, pattern) {
  if (name !== undefined && pattern.test(name)) return;
  throw new ProtocolError('NAME_INVALID', `${header} matches ${pattern.source}`);
}

/** The bytes of one frame. */
export function encodeFrame(command, headers = {}, body = '') {
  const content = Buffer.from(body);
  const lines = Object.entries({ ...headers, 'content-length': content.length }).map(
    ([name, value]) => `${escapeText(name)}:${escapeText(value)}\n`,
  );
  return Buffer.concat([Buffer.from(`${command}\n${lines.join('')}\n`), content, Buffer.alloc(1)]);
}

/** Cuts a stream of bytes into frames `{ command, headers, body }`. */
export class FrameParser {
  #bytes = Buffer.alloc(0);

  /** The frames that these bytes complete. Throws ProtocolError; the stream is lost then. */
  *push(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) yield frame;
  }

  #next() {
    // Line feeds between frames keep a connection alive and mean nothing.
    const start = this.#bytes.findIndex((byte) => byte !== LF);
    if (start === -1) this.#bytes = Buffer.alloc(0);
    else if (start > 0) this.#bytes = this.#bytes.subarray(start);
    const bytes = this.#bytes;
    const headEnd = bytes.indexOf('\n\n');
    const headBytes = headEnd === -1 ? bytes.length : headEnd;
    if (headBytes > frameLimits.headBytes) {
      throw new ProtocolError(
        'HEAD_TOO_LARGE',
        `a head has ${frameLimits.headBytes} bytes at most`,
      );
    }
    if (headEnd === -1) return undefined;
    const { command, headers } = parseHead(bytes.toString('utf8', 0, headEnd));
    const bodyStart = headEnd + 2;
    const bodyEnd = findBodyEnd(bytes, bodyStart, headers['content-length']);
    if (bodyEnd === undefined) return undefined;
    this.#bytes = bytes.subarray(bodyEnd + 1);
    return { command, headers, body: bytes.subarray(bodyStart, bodyEnd) };
  }
}

/** Where the NUL behind the body lies; undefined when it has not come yet. */
function findBodyEnd(bytes, start, contentLength) {
  if (contentLength === undefined) {
    const end = bytes.indexOf(0, start);
    checkBody(end === -1 ? bytes.length - start : end - start);
    return end === -1 ? undefined : end;
  }
  if (!/^\d{1,9}$/.test(contentLength)) {
    throw new ProtocolError('FRAME_INVALID', 'content-length is a number of bytes');
  }
  const end = start + Number(contentLength);
  checkBody(end - start);
  if (end >= bytes.length) return undefined;
  if (bytes[end] === 0) return end;
  throw new ProtocolError('FRAME_INVALID', 'a frame ends in NUL, where content-length says');
}

function checkBody(bytes) {
  if (bytes <= frameLimits.bodyBytes) return;
  throw new ProtocolError('BODY_TOO_LARGE', `a body has ${frameLimits.bodyBytes} bytes at most`);
}

function parseHead(head) {
  const [command, ...lines] = head.split('\n');
  const headers = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0)
      throw new ProtocolError('FRAME_INVALID', 'a header is a name, a colon, a value');
    // The first of equal headers counts, as in STOMP.
    headers[unescapeText(line.slice(0, colon))] ??= unescapeText(line.slice(colon + 1));
  }
  return { command, headers };
}

function escapeText(value) {
  return String(value).replace(/[\\\r\n:]/g, (found) => escapes.get(found));
}

function unescapeText(text) {
  return text.replace(/\\.?/gs, (found) => {
    const plain = unescapes.get(found);
    if (plain === undefined) throw new ProtocolError('FRAME_INVALID', 'an unknown escape');
    return plain;
  });
}
