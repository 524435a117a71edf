// The recordings of a visit, and their way to the server: two at a time, so that one uploads while another is recognized.

import { ServerError } from "./server.js";

const atOnce = 2;

/** What becomes of a recording, in this order. */
export const State = { waiting: "waiting", uploading: "uploading", recognizing: "recognizing", done: "done", failed: "failed" };

export class Recording {
  state = State.waiting;
  /** The share that has been uploaded. */
  sent = 0;
  /** Why it failed, in a sentence. */
  problem = null;
  /** Whether the server asked for a key. */
  needsKey = false;
  transcript = null;
  peaks = null;
  /** Why there are no peaks, in a sentence. */
  peaksProblem = null;
  /** The last correction that was saved; null for speech that has not been saved at all. */
  savedVersion = null;
  abort = null;

  /** Makes a recording of a file, or of speech, whose file comes later. */
  constructor(name, file = null) {
    this.name = name;
    this.file = file;
    this.isSpeech = file == null;
  }

  get isUnsaved() { return this.transcript != null && this.transcript.version !== this.savedVersion; }
}

export class Recordings {
  all = [];
  /** Called when something about a recording has changed; without one, when the list has. */
  onchange = () => {};

  constructor(server) {
    this.server = server;
  }

  /** Adds recordings and sends those that are files. */
  add(...recordings) {
    this.all.push(...recordings);
    this.onchange();
    this.#send();
  }

  /** Removes a recording; one that is on its way is cancelled. */
  remove(recording) {
    this.all = this.all.filter(other => other != recording);
    recording.abort?.abort();
    this.onchange();
  }

  /** Sends a recording again. */
  retry(recording) {
    Object.assign(recording, { state: State.waiting, problem: null, needsKey: false, sent: 0 });
    this.onchange(recording);
    this.#send();
  }

  #send() {
    const isBusy = ({ state }) => state == State.uploading || state == State.recognizing;
    while (this.all.filter(isBusy).length < atOnce) {
      const next = this.all.find(({ state, file }) => state == State.waiting && file);
      if (!next) return;
      this.#transcribe(next);
    }
  }

  async #transcribe(recording) {
    const change = state => {
      Object.assign(recording, state);
      if (this.all.includes(recording)) this.onchange(recording);
    };
    recording.abort = new AbortController();
    change({ state: State.uploading });
    try {
      const transcript = await this.server.transcribe(recording.file, {
        sent: share => change({ sent: share, state: share < 1 ? State.uploading : State.recognizing }),
        signal: recording.abort.signal,
      });
      change({ state: State.done, transcript });
    } catch (error) {
      if (!recording.abort.signal.aborted) {
        change({ state: State.failed, problem: error.message, needsKey: error instanceof ServerError && error.status == 401 });
      }
    }
    recording.abort = null;
    this.#send();
  }
}
