/// Reads one pickle of protocol 0 to 5 as inert data.
///
/// Classes and functions are only names here: nothing is imported, constructed or called. The results of PyTorch's own
/// rebuilding functions (tensors, ordered dictionaries) are recognized; everything else becomes an inert object. Each
/// opcode adds at most one value and one node, so memory is bounded by a constant times the pickle's length; nesting
/// needs no recursion.
struct Unpickler {
    private var reader: ByteReader
    private var nodes: [PickleNode] = []
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    /// The number of items copied from one container into another.
    private var copied = 0

    /// The maximum number of values: real checkpoints of the largest models have tens of thousands.
    static let largestCount = 4_000_000

    /// Reads a pickle.
    ///
    /// - Parameter position: Its first byte; afterward the byte after its end.
    /// - Throws: `FileDamage` naming the byte.
    static func read(
        _ bytes: UnsafeRawBufferPointer, at position: inout Int
    ) throws(FileDamage) -> PickleDocument {
        var unpickler = Unpickler(reader: try ByteReader(bytes, at: position, "the pickle"))
        let top = try unpickler.run()
        position = unpickler.reader.position
        return PickleDocument(nodes: unpickler.nodes, top: top)
    }

    private init(reader: ByteReader) {
        self.reader = reader
    }

    // MARK: Stack

    private func damage(_ reason: String) -> FileDamage {
        FileDamage("the pickle \(reason) before byte \(reader.position)")
    }

    private mutating func push(_ value: PickleValue) {
        stack.append(value)
    }

    private mutating func push(_ kind: PickleNode.Kind, _ items: [PickleValue] = []) throws(FileDamage) {
        push(try add(PickleNode(kind: kind, items: items)))
    }

    private mutating func add(_ node: PickleNode) throws(FileDamage) -> PickleValue {
        guard nodes.count < Self.largestCount else { throw damage("holds more than \(Self.largestCount) objects") }
        nodes.append(node)
        return .node(nodes.count - 1)
    }

    private mutating func pop() throws(FileDamage) -> PickleValue {
        guard stack.count > (marks.last ?? 0), let value = stack.popLast() else {
            throw damage("takes a value that is not there")
        }
        return value
    }

    private func top() throws(FileDamage) -> PickleValue {
        guard stack.count > (marks.last ?? 0), let value = stack.last else {
            throw damage("looks at a value that is not there")
        }
        return value
    }

    /// Pops the values since the last mark.
    private mutating func popToMark() throws(FileDamage) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw damage("ends a group that it never began") }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private mutating func pop(_ count: Int) throws(FileDamage) -> [PickleValue] {
        guard stack.count - count >= (marks.last ?? 0) else { throw damage("takes values that are not there") }
        let items = Array(stack.suffix(count))
        stack.removeLast(count)
        return items
    }

    private mutating func memoize(_ index: Int) throws(FileDamage) {
        guard memo.count < Self.largestCount else { throw damage("remembers more than \(Self.largestCount) objects") }
        memo[index] = try top()
    }

    private mutating func recall(_ index: Int) throws(FileDamage) {
        guard let value = memo[index] else { throw damage("recalls object \(index), which it never stored") }
        push(value)
    }

    // MARK: Opcodes

    private mutating func run() throws(FileDamage) -> PickleValue {
        while true {
            let opcode = try reader.integer(UInt8.self)
            if opcode == UInt8(ascii: ".") { return try pop() }
            if try constant(opcode) { continue }
            if try container(opcode) { continue }
            if try reference(opcode) { continue }
            throw FileDamage("the pickle has the unknown opcode \(opcode) at byte \(reader.position - 1)")
        }
    }

    /// Handles opcodes of numbers and texts.
    private mutating func constant(_ opcode: UInt8) throws(FileDamage) -> Bool {
        switch opcode {
        case UInt8(ascii: "N"): push(.none)
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "K"): push(.integer(Int(try reader.integer(UInt8.self))))
        case UInt8(ascii: "M"): push(.integer(Int(try reader.integer(UInt16.self))))
        case UInt8(ascii: "J"): push(.integer(Int(try reader.integer(Int32.self))))
        case UInt8(ascii: "I"):
            switch try reader.line() {
            case "00": push(.bool(false))
            case "01": push(.bool(true))
            case let text: push(try decimal(text))
            }
        case UInt8(ascii: "L"):
            let text = try reader.line()
            push(try decimal(text.hasSuffix("L") ? String(text.dropLast()) : text))
        case UInt8(ascii: "F"):
            let text = try reader.line()
            guard let number = Double(text) else { throw damage("has '\(text.prefix(32))' for a number") }
            push(.number(number))
        case UInt8(ascii: "G"):
            push(.number(Double(bitPattern: UInt64(bigEndian: try reader.take(8).loadUnaligned(as: UInt64.self)))))
        case 0x8A: push(long(try reader.take(Int(try reader.integer(UInt8.self)))))
        case 0x8B: push(long(try reader.take(try reader.length(Int32.self))))
        case UInt8(ascii: "X"): push(.string(try reader.text(try reader.length(UInt32.self))))
        case 0x8C: push(.string(try reader.text(try reader.length(UInt8.self))))
        case 0x8D: push(.string(try reader.text(try reader.length(UInt64.self))))
        case UInt8(ascii: "V"): push(.string(try reader.line()))
        // Python 2's strings: for our purposes text.
        case UInt8(ascii: "T"):
            push(.string(String(decoding: try reader.take(try reader.length(Int32.self)), as: UTF8.self)))
        case UInt8(ascii: "U"):
            push(.string(String(decoding: try reader.take(try reader.length(UInt8.self)), as: UTF8.self)))
        case UInt8(ascii: "S"):
            let text = try reader.line()
            guard text.count >= 2, let quote = text.first, quote == "'" || quote == "\"", text.last == quote else {
                throw damage("has a text without quotes")
            }
            push(.string(String(text.dropFirst().dropLast())))
        case UInt8(ascii: "B"): push(.bytes(Array(try reader.take(try reader.length(UInt32.self)))))
        case UInt8(ascii: "C"): push(.bytes(Array(try reader.take(try reader.length(UInt8.self)))))
        case 0x8E, 0x96: push(.bytes(Array(try reader.take(try reader.length(UInt64.self)))))
        default: return false
        }
        return true
    }

    private func decimal(_ text: String) throws(FileDamage) -> PickleValue {
        if let number = Int(text) { return .integer(number) }
        guard !text.isEmpty, text.utf8.drop(while: { $0 == UInt8(ascii: "-") }).allSatisfy({ 48...57 ~= $0 }) else {
            throw damage("has '\(text.prefix(32))' for a whole number")
        }
        return .long(Array(text.utf8))
    }

    /// Returns a two's complement number of any length.
    private func long(_ bytes: UnsafeRawBufferPointer) -> PickleValue {
        guard bytes.count <= 8 else { return .long(Array(bytes)) }
        var number: UInt64 = (bytes.last ?? 0) & 0x80 != 0 ? .max : 0
        for byte in bytes.reversed() { number = number << 8 | UInt64(byte) }
        return .integer(Int(bitPattern: UInt(number)))
    }

    /// Handles opcodes of containers and their items.
    private mutating func container(_ opcode: UInt8) throws(FileDamage) -> Bool {
        switch opcode {
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "]"): try push(.list)
        case UInt8(ascii: "l"): try push(.list, popToMark())
        case UInt8(ascii: "}"): try push(.dictionary)
        case UInt8(ascii: "d"): try push(.dictionary, pairs(popToMark()))
        case 0x8F: try push(.set)
        case 0x91: try push(.set, popToMark())
        case UInt8(ascii: ")"): try push(.tuple)
        case UInt8(ascii: "t"): try push(.tuple, popToMark())
        case 0x85: try push(.tuple, pop(1))
        case 0x86: try push(.tuple, pop(2))
        case 0x87: try push(.tuple, pop(3))
        case UInt8(ascii: "a"): try append(pop(1))
        case UInt8(ascii: "e"), 0x90: try append(popToMark())
        case UInt8(ascii: "s"): try append(pop(2))
        case UInt8(ascii: "u"): try append(pairs(popToMark()))
        case UInt8(ascii: "0"):
            // A mark may be popped like a value.
            if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): push(try top())
        default: return false
        }
        return true
    }

    private func pairs(_ items: [PickleValue]) throws(FileDamage) -> [PickleValue] {
        guard items.count.isMultiple(of: 2) else { throw damage("has a key without a value") }
        return items
    }

    private mutating func append(_ items: [PickleValue]) throws(FileDamage) {
        guard case .node(let index) = try top() else { throw damage("adds items to what is no container") }
        switch nodes[index].kind {
        case .list, .dictionary, .set, .object: nodes[index].items += items
        default: throw damage("adds items to what is no container")
        }
    }

    /// Handles the memo, classes, objects and persistent identifiers.
    private mutating func reference(_ opcode: UInt8) throws(FileDamage) -> Bool {
        switch opcode {
        case 0x80:
            let version = try reader.integer(UInt8.self)
            guard version <= 5 else { throw damage("is of protocol \(version), and 5 is the newest known") }
        case 0x95: _ = try reader.length(UInt64.self)
        case UInt8(ascii: "q"): try memoize(Int(try reader.integer(UInt8.self)))
        case UInt8(ascii: "r"): try memoize(Int(try reader.integer(UInt32.self)))
        case UInt8(ascii: "p"): try memoize(try index(try reader.line()))
        case 0x94: try memoize(memo.count)
        case UInt8(ascii: "h"): try recall(Int(try reader.integer(UInt8.self)))
        case UInt8(ascii: "j"): try recall(Int(try reader.integer(UInt32.self)))
        case UInt8(ascii: "g"): try recall(try index(try reader.line()))
        case UInt8(ascii: "c"):
            let module = try reader.line()
            try push(.global(module: module, name: try reader.line()))
        case 0x93:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw damage("names a class by what is no text")
            }
            try push(.global(module: module, name: name))
        case UInt8(ascii: "i"):
            let module = try reader.line()
            let type = try add(PickleNode(kind: .global(module: module, name: try reader.line())))
            push(try object(type, popToMark()))
        case UInt8(ascii: "o"):
            let items = try popToMark()
            guard let type = items.first else { throw damage("makes an object of no class") }
            push(try object(type, Array(items.dropFirst())))
        case UInt8(ascii: "R"), 0x81:
            let arguments = try tuple(pop())
            push(try object(pop(), arguments))
        case 0x92:
            _ = try pop()
            let arguments = try tuple(pop())
            push(try object(pop(), arguments))
        case UInt8(ascii: "b"):
            let state = try pop()
            // Plain dictionaries may have a state too, such as the metadata of a state dictionary.
            if case .node(let index) = try top() { nodes[index].state = state }
        case UInt8(ascii: "Q"): push(try storage(pop()))
        case UInt8(ascii: "P"), 0x82, 0x83, 0x84, 0x97, 0x98:
            throw damage("refers to what lies outside it, which no checkpoint does")
        default: return false
        }
        return true
    }

    private func index(_ text: String) throws(FileDamage) -> Int {
        guard let index = Int(text), index >= 0 else { throw damage("has '\(text.prefix(32))' for an object's number") }
        return index
    }

    private func tuple(_ value: PickleValue) throws(FileDamage) -> [PickleValue] {
        guard case .node(let index) = value, case .tuple = nodes[index].kind else {
            throw damage("gives arguments that are no tuple")
        }
        return nodes[index].items
    }

    // MARK: Objects

    /// Returns the equivalent of calling a global with arguments.
    private mutating func object(
        _ type: PickleValue, _ arguments: [PickleValue]
    ) throws(FileDamage) -> PickleValue {
        guard case .node(let index) = type, case .global(let module, let name) = nodes[index].kind else {
            throw damage("makes an object of what is no class")
        }
        switch (module, name) {
        case ("collections", "OrderedDict"), ("collections", "defaultdict"), ("__builtin__", "dict"),
            ("builtins", "dict"):
            // Protocol 2 passes an ordered dictionary's items as a list of pairs, or adds them afterward.
            guard let first = arguments.first, name == "OrderedDict", case .node(let list) = first else {
                return try add(PickleNode(kind: .dictionary))
            }
            var items: [PickleValue] = []
            for item in try contents(list) {
                guard case .node(let pair) = item, nodes[pair].items.count == 2 else {
                    throw damage("has an ordered dictionary of what are no pairs")
                }
                items += nodes[pair].items
            }
            return try add(PickleNode(kind: .dictionary, items: items))
        case ("__builtin__", "set"), ("builtins", "set"), ("__builtin__", "frozenset"), ("builtins", "frozenset"):
            guard case .node(let list)? = arguments.first else { return try add(PickleNode(kind: .set)) }
            return try add(PickleNode(kind: .set, items: contents(list)))
        case ("_codecs", "encode"):
            // Protocol 2's form of bytes: their values as the characters of a text.
            guard case .string(let text)? = arguments.first, text.unicodeScalars.allSatisfy({ $0.value < 256 }) else {
                break
            }
            return .bytes(text.unicodeScalars.map { UInt8($0.value) })
        case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_tensor_v3"):
            return try add(PickleNode(kind: .tensor(tensor(arguments, hasType: name.hasSuffix("v3")))))
        case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
            guard let data = arguments.first, case .node(let inner) = data, case .tensor = nodes[inner].kind else {
                throw damage("has a parameter without a tensor")
            }
            return data
        default: break
        }
        return try add(PickleNode(kind: .object(type: index), arguments: arguments))
    }

    /// Returns the items of a container, to copy them into another one.
    ///
    /// On average each item can be copied once, so that a short file cannot multiply a long list.
    private mutating func contents(_ index: Int) throws(FileDamage) -> [PickleValue] {
        copied += nodes[index].items.count
        guard copied <= reader.bytes.count else { throw damage("copies the same items again and again") }
        return nodes[index].items
    }

    /// Returns the tensor that PyTorch would rebuild: a storage, the first element, sizes and strides.
    private func tensor(_ arguments: [PickleValue], hasType: Bool) throws(FileDamage) -> PickleTensor {
        guard arguments.count >= (hasType ? 7 : 4), case .node(let index) = arguments[0],
            case .storage(let storage) = nodes[index].kind, case .integer(let offset) = arguments[1]
        else { throw damage("has a tensor without its storage") }
        var type: String?
        if hasType, case .node(let index) = arguments[6], case .global(_, let name) = nodes[index].kind { type = name }
        return PickleTensor(
            storage: storage, offset: offset, shape: try sizes(arguments[2]), strides: try sizes(arguments[3]),
            type: type)
    }

    private func sizes(_ value: PickleValue) throws(FileDamage) -> [Int] {
        var sizes: [Int] = []
        for item in try tuple(value) {
            guard case .integer(let size) = item, size >= 0, sizes.count < 32 else {
                throw damage("has a tensor with a size or step that is no whole number, or with too many of them")
            }
            sizes.append(size)
        }
        return sizes
    }

    /// Returns the storage of a persistent identifier `("storage", type, key, location, count[, view])`.
    private mutating func storage(_ identifier: PickleValue) throws(FileDamage) -> PickleValue {
        let parts = try tuple(identifier)
        guard parts.count >= 5, case .string("storage") = parts[0], case .node(let type) = parts[1],
            case .global(_, let name) = nodes[type].kind, case .integer(let count) = parts[4], count >= 0
        else { throw damage("refers to data that are no tensor's") }
        var storage = PickleStorage(type: name, key: "", count: count)
        switch parts[2] {
        case .string(let key): storage.key = key
        case .integer(let key): storage.key = String(key)
        default: throw damage("names a storage by what is no text")
        }
        if parts.count > 5, case .node(let view) = parts[5] {
            // Old files: a part of another storage.
            let view = nodes[view].items
            guard view.count == 3, case .integer(let offset) = view[1], case .integer(let size) = view[2],
                offset >= 0, size >= 0
            else { throw damage("has a malformed part of a storage") }
            (storage.offset, storage.count) = (offset, size)
        }
        return try add(PickleNode(kind: .storage(storage)))
    }
}
