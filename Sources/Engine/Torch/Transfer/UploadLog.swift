import Foundation
import Synchronization

/// The copies from the host's memory to a device that a thread makes, for tests.
///
/// A copy to the CPU itself costs nothing, but it would be an upload if the model were on a GPU: it is listed, too, as are
/// constants that a GPU would lack.
package enum UploadLog {
    private struct List {
        var sizes: [Int] = []
        /// The constants that would be on a GPU.
        var constants: Set<String> = []
    }

    private static let listeners = Atomic(0)
    private static let lists = Mutex<[ObjectIdentifier: List]>([:])

    /// Lists the uploads of `body` on this thread, by their sizes in bytes.
    ///
    /// Within a list, a second one knows the constants of the first.
    package static func list(_ body: () throws -> Void) rethrows -> [Int] {
        let thread = ObjectIdentifier(Thread.current)
        let outer = lists.withLock { lists in
            lists.updateValue(List(constants: lists[thread]?.constants ?? []), forKey: thread)
        }
        listeners.add(1, ordering: .relaxed)
        func end() -> List? {
            listeners.subtract(1, ordering: .relaxed)
            return lists.withLock { lists in
                let list = lists.removeValue(forKey: thread)
                if let outer { lists[thread] = List(sizes: outer.sizes, constants: list?.constants ?? []) }
                return list
            }
        }
        do {
            try body()
        } catch {
            _ = end()
            throw error
        }
        return end()?.sizes ?? []
    }

    private static func update<Result>(_ change: (inout List) -> Result) -> Result? {
        guard listeners.load(ordering: .relaxed) > 0 else { return nil }
        let thread = ObjectIdentifier(Thread.current)
        return lists.withLock { lists in
            guard var list = lists[thread] else { return nil }
            let result = change(&list)
            lists[thread] = list
            return result
        }
    }

    static func note(_ bytes: Int) {
        if bytes > 0 { _ = update { $0.sizes.append(bytes) } }
    }

    static func note(_ tensor: Tensor) { note(tensor.count * tensor.dtype.itemSize) }

    /// Notes a constant that the CPU makes.
    ///
    /// - Returns: Whether a GPU would have lacked it.
    static func isNew(_ purpose: String, _ shape: [Int], _ dtype: DType) -> Bool {
        update { $0.constants.insert("\(purpose) \(shape) \(dtype)").inserted } ?? false
    }
}
