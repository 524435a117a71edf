/// Samples of raw audio: signed 16-bit numbers, the low byte first, one channel.
///
/// - Parameter bytes: Two for each sample; a last byte alone is left out.
/// - Returns: Samples, full scale at ±1.
package func rawSamples(_ bytes: some RandomAccessCollection<UInt8>) -> [Float] {
    var samples: [Float] = []
    samples.reserveCapacity(bytes.count / 2)
    var rest = bytes.makeIterator()
    while let low = rest.next(), let high = rest.next() {
        samples.append(Float(Int16(bitPattern: UInt16(low) | UInt16(high) << 8)) / 32_768)
    }
    return samples
}
