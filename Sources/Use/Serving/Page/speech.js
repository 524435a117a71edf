// Live speech: the microphone's samples to the server, its events to the page.

// What the model takes. A lower rate also means less to send and to keep.
const modelRate = 16_000;

export class Speech {
  #chunks = [];
  #count = 0;
  #media;
  #context;
  #node;
  #socket;
  #failure = null;
  #isEnding = false;
  /** The samples per second. */
  rate = modelRate;

  /**
   * Makes a session.
   *
   * @param server The server.
   * @param heard Called with samples of the microphone: an Int16Array.
   * @param event Called with the server's partial and final events.
   * @param ended Called once, at the end, with the error or nothing.
   */
  constructor(server, { heard, event, ended }) {
    Object.assign(this, { server, heard, event, ended });
  }

  /** The seconds of speech so far. */
  get seconds() { return this.#count / this.rate; }

  /** Opens the microphone and the connection. Throws a sentence for people. */
  async begin() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers allow the microphone only on pages from this machine or over https");
    }
    try {
      // What browsers do to a voice for phone calls (gates, filters, a gain that moves) is foreign to models of speech.
      const sound = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.#media = await navigator.mediaDevices.getUserMedia({ audio: sound });
      const source = await this.#open();
      // Some browsers begin with a suspended one.
      this.#context.resume();
      this.#socket = this.server.live(this.rate);
      this.#listen(source);
    } catch (error) {
      this.#close();
      throw new Error("The microphone cannot be used: " + error.message);
    }
  }

  /** Ends the speech: what is still in the microphone is sent, and the server's last events follow. */
  end() {
    this.#isEnding = true;
    if (this.#socket?.readyState == WebSocket.OPEN) this.#node.port.postMessage("end");
    else this.#socket?.close();
  }

  /** The speech so far as a WAV file. */
  file(name) {
    const header = new DataView(new ArrayBuffer(44));
    const text = (at, letters) => [...letters].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt()));
    const bytes = 2 * this.#count;
    text(0, "RIFF"); header.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt ");
    // 16 bytes of format: PCM, one channel.
    header.setUint32(16, 16, true); header.setUint16(20, 1, true); header.setUint16(22, 1, true);
    header.setUint32(24, this.rate, true); header.setUint32(28, 2 * this.rate, true);
    header.setUint16(32, 2, true); header.setUint16(34, 16, true);
    text(36, "data"); header.setUint32(40, bytes, true);
    return new File([header, ...this.#chunks], name, { type: "audio/wav" });
  }

  async #open() {
    const open = async options => {
      this.#context = new AudioContext(options);
      await this.#context.audioWorklet.addModule("page/microphone.js");
      this.rate = this.#context.sampleRate;
      return this.#context.createMediaStreamSource(this.#media);
    };
    try {
      return await open({ sampleRate: modelRate });
    } catch {
      // Firefox connects a microphone to a context of its own rate only; then the server converts.
      await this.#context?.close();
      return open({});
    }
  }

  #listen(source) {
    const socket = this.#socket;
    this.#node = new AudioWorkletNode(this.#context, "microphone");
    this.#node.port.onmessage = ({ data }) => {
      if (data) {
        this.#chunks.push(data);
        this.#count += data.length;
        if (socket.readyState == WebSocket.OPEN) socket.send(data);
        return this.heard(data);
      }
      if (socket.readyState == WebSocket.OPEN) socket.send("end");
      this.#close();
    };
    // The node is silent; not every browser runs one that leads nowhere.
    source.connect(this.#node).connect(this.#context.destination);
    // What was said until now.
    socket.onopen = () => this.#chunks.forEach(chunk => socket.send(chunk));
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.event == "error") this.#failure = event.message; else this.event(event);
    };
    socket.onclose = ({ code, reason }) => {
      this.#close();
      const isDone = code == 1000 || code == 1001 || this.#isEnding;
      this.ended(this.#failure ?? (isDone ? null : reason || "The connection to the server has failed"));
    };
  }

  #close() {
    this.#media?.getTracks().forEach(track => track.stop());
    if (this.#context && this.#context.state != "closed") this.#context.close();
  }
}
