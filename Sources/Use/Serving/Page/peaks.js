// The loudness of a recording over time, for its waveform.

/** Peaks a second. */
export const peakRate = 200;

// A browser decodes a whole recording at once, which takes 20 MB a minute.
const longest = 20 * 60;
// Enough for what the eye sees at 200 peaks a second; every browser has this rate.
const decodedRate = 8000;

/** The greatest magnitude in each 200th of a second, from 0 to 1. */
export class Peaks {
  values = new Float32Array(1024);
  count = 0;
  #position = 0;

  /** Appends samples from -`scale` to `scale`, at `rate` a second. */
  append(samples, rate, scale = 1) {
    for (const sample of samples) {
      const index = Math.floor(this.#position++ * peakRate / rate);
      if (index >= this.values.length) {
        const longer = new Float32Array(2 * this.values.length);
        longer.set(this.values);
        this.values = longer;
      }
      this.values[index] = Math.max(this.values[index], Math.abs(sample) / scale);
      this.count = index + 1;
    }
    return this;
  }

  /** Returns the greatest peak between two times in seconds. */
  between(start, end) {
    let greatest = 0;
    const last = Math.min(this.count, Math.ceil(end * peakRate));
    for (let index = Math.max(0, Math.floor(start * peakRate)); index < last; index++) {
      greatest = Math.max(greatest, this.values[index]);
    }
    return greatest;
  }
}

/** Returns the peaks of a file, or a sentence that says why there are none. */
export async function peaks(file, seconds) {
  if (seconds > longest) return `Recordings over ${longest / 60} minutes are shown without their waveform.`;
  try {
    const context = new OfflineAudioContext(1, 1, decodedRate);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const samples = sound.getChannelData(0);
    for (let channel = 1; channel < sound.numberOfChannels; channel++) {
      sound.getChannelData(channel).forEach((sample, index) => {
        if (Math.abs(sample) > Math.abs(samples[index])) samples[index] = sample;
      });
    }
    return new Peaks().append(samples, sound.sampleRate);
  } catch {
    return "This browser cannot decode the recording: it is shown without its waveform.";
  }
}
