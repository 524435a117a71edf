// Runs in the audio thread: gathers the microphone's samples as 16-bit numbers and posts them eight times a second.
registerProcessor("microphone", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.ceil(sampleRate / 8));
    this.count = 0;
    this.isEnded = false;
    this.port.onmessage = () => {
      this.#post();
      this.port.postMessage(null);
      this.isEnded = true;
    };
  }

  process([[channel]]) {
    if (this.isEnded) return false;
    for (const value of channel ?? []) {
      this.samples[this.count++] = Math.max(-32768, Math.min(32767, Math.round(32768 * value)));
      if (this.count == this.samples.length) this.#post();
    }
    return true;
  }

  #post() {
    this.port.postMessage(this.samples.slice(0, this.count));
    this.count = 0;
  }
});
