// What the page asks the server.

/** An error in the server's own words, or in ours where it cannot be reached. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const unreachable = "The server does not answer; check that it is running, and try again";

export class Server {
  /** The API key. It is in memory only: a page that is loaded again asks for it again. */
  key = null;
  /** The name of the model, where the server has several. */
  model = null;

  /** Returns what the server tells about itself, or nothing if it does not answer. */
  async facts() {
    // While the model is loaded, the answer has the status 503 and the same members.
    return fetch("health").then(response => response.json()).catch(() => null);
  }

  /** Returns the models' names. */
  async models() {
    let response;
    try {
      response = await fetch("v1/models", { headers: this.#headers() });
    } catch {
      throw new ServerError(unreachable);
    }
    if (!response.ok) throw failure(response.status, await response.text());
    return (await response.json()).data.map(model => model.id);
  }

  /**
   * Sends a recording and returns its transcript. (A request of this older kind tells how much of it has been sent;
   * `fetch` does not.)
   *
   * @param sent Called with the share that has been sent, from 0 to 1.
   * @param signal Aborts it.
   */
  transcribe(recording, { sent, signal }) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", "v1/transcribe?" + this.#query({ filename: recording.name }));
      for (const [name, value] of Object.entries(this.#headers())) request.setRequestHeader(name, value);
      request.upload.onprogress = event => { if (event.lengthComputable) sent(event.loaded / event.total); };
      request.upload.onload = () => sent(1);
      request.onabort = () => reject(signal.reason);
      request.onerror = async () => reject(
        new ServerError(await isReadable(recording) ? unreachable : `${recording.name} cannot be read; drop files that `
          + "are still in their place, and no folders"));
      request.onload = () => {
        if (request.status != 200) return reject(failure(request.status, request.responseText));
        try {
          resolve(JSON.parse(request.responseText));
        } catch {
          reject(new ServerError("The server's answer is cut off; try again", request.status));
        }
      };
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(recording);
    });
  }

  /** Opens a WebSocket for live speech. */
  live(rate) {
    const address = new URL("v1/live?" + this.#query({ rate }), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    // Browsers send no headers of a page with a WebSocket. OpenAI's clients put the key here too.
    return new WebSocket(address, this.key ? ["realtime", "openai-insecure-api-key." + this.key] : []);
  }

  #headers() { return this.key ? { Authorization: "Bearer " + this.key } : {}; }

  #query(parameters) {
    return new URLSearchParams(this.model ? { ...parameters, model: this.model } : parameters);
  }
}

function failure(status, body) {
  try {
    return new ServerError(JSON.parse(body).error.message, status);
  } catch {
    return new ServerError(`The server answered with the status ${status}`, status);
  }
}

async function isReadable(file) {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}
