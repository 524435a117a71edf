import W2VBackbone

/// A value of a pickle: a plain one, or the index of one of its document's nodes.
///
/// Nodes refer to each other by index, so that deep nesting and cycles cost nothing to build or to free.
enum PickleValue: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer beyond 64 bits, as its little-endian bytes.
    case long([UInt8])
    case number(Double)
    case string(String)
    case bytes([UInt8])
    case node(Int)
}

/// A container, class or instance of a pickle.
struct PickleNode: Sendable {
    enum Kind: Sendable {
        case list
        case tuple
        case set
        /// Keys and values alternate among the items.
        case dictionary
        /// A class or function, named and never called.
        case global(module: String, name: String)
        /// The inert result of calling a global, with the arguments of the call.
        case object(type: Int)
        case storage(PickleStorage)
        case tensor(PickleTensor)
    }

    var kind: Kind
    /// A container's items, or the items appended to an object.
    var items: [PickleValue] = []
    /// The arguments of the call of an object's global.
    var arguments: [PickleValue] = []
    /// The argument of `__setstate__`.
    var state = PickleValue.none
}

/// A run of elements that tensors are views of.
struct PickleStorage: Sendable, Equatable {
    /// The element type's name, as in `FloatStorage`.
    var type: String
    /// The storage's name in the file.
    var key: String
    /// The number of its elements.
    var count: Int
    /// Its beginning in the storage of that name: only old files share storages in this way.
    var offset = 0
}

/// A tensor as the file describes it.
struct PickleTensor: Sendable, Equatable {
    var storage: PickleStorage
    /// The index of its first element in the storage.
    var offset: Int
    var shape: [Int]
    /// The strides, in elements.
    var strides: [Int]
    /// The element type's name if it is not the storage's, such as `float8_e4m3fn`.
    var type: String?
}

/// All nodes of a pickle, and its topmost value.
final class PickleDocument: Sendable {
    let nodes: [PickleNode]
    private let top: PickleValue

    init(nodes: [PickleNode], top: PickleValue) {
        self.nodes = nodes
        self.top = top
    }

    /// The topmost value.
    var root: PickleReference { PickleReference(document: self, value: top) }
}

/// A value together with its document, with uniform access to dictionaries, namespaces and omegaconf's containers.
struct PickleReference: Sendable {
    fileprivate let document: PickleDocument
    let value: PickleValue

    private func reference(_ value: PickleValue) -> PickleReference {
        PickleReference(document: document, value: value)
    }

    private var node: PickleNode? {
        guard case .node(let index) = value else { return nil }
        return document.nodes[index]
    }

    /// The module and name of an object's class: `argparse.Namespace`.
    var typeName: String? {
        guard case .object(let type)? = node?.kind, case .global(let module, let name) = document.nodes[type].kind
        else {
            return nil
        }
        return "\(module).\(name)"
    }

    /// The plain value inside a namespace, a configuration or an enumeration's case.
    private var content: PickleReference {
        var result = self
        // A chain of wrappers in a real file has two or three links.
        for _ in 0..<16 {
            guard let type = result.typeName, let node = result.node else { return result }
            let state = reference(node.state).stateDictionary
            if type.hasPrefix("omegaconf.") {
                guard let inner = state?.entry("_content") ?? state?.entry("_val") else { return result }
                result = inner
            } else if let state {
                return state
            } else if node.arguments.count == 1, case .string = node.arguments[0] {
                return reference(node.arguments[0])
            } else {
                return result
            }
        }
        return result
    }

    /// The dictionary of an object's state, which some classes pair with another for slots.
    private var stateDictionary: PickleReference? {
        guard let node else { return nil }
        switch node.kind {
        case .dictionary: return self
        case .tuple: return node.items.first.flatMap { reference($0).node?.isDictionary == true ? reference($0) : nil }
        default: return nil
        }
    }

    private func entry(_ key: String) -> PickleReference? {
        guard let node, node.isDictionary else { return nil }
        // The last of equal keys counts, as in Python.
        for index in stride(from: node.items.count - 2, through: 0, by: -2) {
            if case .string(key) = node.items[index] { return reference(node.items[index + 1]) }
        }
        return nil
    }

    /// The member of a dictionary or namespace; nil if there is none, or it is None.
    subscript(key: String) -> PickleReference? {
        guard let found = content.entry(key), !found.isNone else { return nil }
        return found
    }

    /// The members of a dictionary or namespace in order, except those whose keys are not strings.
    var members: [(key: String, value: PickleReference)]? {
        guard let node = content.node, node.isDictionary else { return nil }
        return stride(from: 0, to: node.items.count - 1, by: 2).compactMap { index in
            guard case .string(let key) = node.items[index] else { return nil }
            return (key, reference(node.items[index + 1]))
        }
    }

    /// The items of a list or tuple.
    var items: [PickleReference]? {
        guard let node = content.node else { return nil }
        switch node.kind {
        case .list, .tuple: return node.items.map(reference)
        default: return nil
        }
    }

    /// The number of a container's entries.
    var count: Int {
        guard let node = content.node else { return 0 }
        return node.isDictionary ? node.items.count / 2 : node.items.count
    }

    var isNone: Bool {
        if case .none = content.value { return true }
        return false
    }

    var string: String? {
        guard case .string(let text) = content.value else { return nil }
        return text
    }

    var integer: Int? {
        guard case .integer(let number) = content.value else { return nil }
        return number
    }

    var bool: Bool? {
        guard case .bool(let flag) = content.value else { return nil }
        return flag
    }

    var tensor: PickleTensor? {
        guard case .tensor(let tensor)? = node?.kind else { return nil }
        return tensor
    }

    /// Whether this is a plain dictionary, not a namespace or configuration.
    var isDictionary: Bool { node?.isDictionary ?? false }

    /// The value as a setting's text; nil for None and for anything that no setting can be.
    var settingText: String? {
        switch content.value {
        case .bool(let flag): return flag ? "true" : "false"
        case .integer(let number): return String(number)
        case .number(let number): return number.settingText
        case .string(let text): return text
        case .node:
            guard let items, items.count <= 64 else { return nil }
            // Nested lists are never a setting's value, and could be infinite.
            let parts = items.compactMap { $0.content.node == nil ? $0.settingText : nil }
            return parts.count == items.count ? "[" + parts.joined(separator: ", ") + "]" : nil
        case .none, .long, .bytes: return nil
        }
    }
}

extension PickleNode {
    fileprivate var isDictionary: Bool {
        if case .dictionary = kind { return true }
        return false
    }
}
