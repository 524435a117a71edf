import Foundation
import Synchronization

/// The copies from the host's memory to a device that a thread makes, for tests.
///
/// A copy to the CPU itself costs nothing, but it would be an upload if the model were on a GPU: it is listed, too.
package enum UploadLog {
    private static let isListening = Atomic(0)
    private static let lists = Mutex<[ObjectIdentifier: [Int]]>([:])

    /// Lists the uploads of `body` on this thread, by their sizes in bytes.
    package static func list(_ body: () throws -> Void) rethrows -> [Int] {
        let thread = ObjectIdentifier(Thread.current)
        let outer = lists.withLock { $0.updateValue([], forKey: thread) }
        isListening.add(1, ordering: .relaxed)
        defer {
            isListening.subtract(1, ordering: .relaxed)
            lists.withLock { $0[thread] = outer }
        }
        try body()
        return lists.withLock { $0[thread] ?? [] }
    }

    static func note(_ bytes: Int) {
        guard isListening.load(ordering: .relaxed) > 0, bytes > 0 else { return }
        let thread = ObjectIdentifier(Thread.current)
        lists.withLock { $0[thread]?.append(bytes) }
    }

    static func note(_ tensor: Tensor) { note(tensor.count * tensor.dtype.itemSize) }
}
