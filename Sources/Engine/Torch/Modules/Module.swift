/// A part of a model: parameters and smaller parts, each with its key in checkpoints.
///
/// Subclasses declare properties with ``Parameter`` and ``Child``, which make them discoverable:
///
///     final class Linear: Module {
///         @Parameter("weight") var weight: Tensor
///         @Parameter("bias") var bias: Tensor?
///     }
open class Module {
    /// Makes an empty module; subclasses set their properties.
    public init() {}

    /// Returns all parameters below this module, in order of declaration, with their full names.
    public func parameters() -> [NamedParameter] {
        var found: [NamedParameter] = []
        collect(prefix: "", into: &found)
        return found
    }

    fileprivate func collect(prefix: String, into found: inout [NamedParameter]) {
        for property in properties { property.collect(prefix: prefix, into: &found) }
    }

    /// The declared parameters and children, the superclasses' first.
    private var properties: [any ModuleProperty] {
        var mirror: Mirror? = Mirror(reflecting: self)
        var levels: [Mirror] = []
        while let level = mirror {
            levels.insert(level, at: 0)
            mirror = level.superclassMirror
        }
        return levels.flatMap(\.children).compactMap { $0.value as? any ModuleProperty }
    }

    /// All modules below this one, in order of declaration, each after its own children.
    public var descendants: [Module] {
        var found: [Module] = []
        for property in properties { property.forEachModule { found += $0.descendants + [$0] } }
        return found
    }

    /// Replaces modules below this one, each after its own children.
    ///
    /// This is how a model is converted: a faster module takes the place of a plain one, shares its parameters, and
    /// keeps its names.
    ///
    ///     model.replaceChildren { ($0 as? Linear).map { PackedLinear($0, .int8) } ?? $0 }
    ///
    /// - Parameter replacement: Returns the module to use in place of another: the same one, or one that the property
    ///   can hold.
    /// - Throws: Any error of `replacement`; replacements made before it remain.
    public func replaceChildren(_ replacement: (Module) throws -> Module) rethrows {
        for property in properties {
            try property.replaceModules { module in
                try module.replaceChildren(replacement)
                return try replacement(module)
            }
        }
    }

    /// The keys of the module's own parameters and children, in order of declaration, absent optional ones included.
    public var declaredKeys: [String] { properties.map(\.key) }

    /// Returns all parameters' tensors by name.
    public func state() -> [String: Tensor] {
        Dictionary(parameters().map { ($0.name, $0.tensor) }) { first, _ in first }
    }

    /// Copies tensors into the parameters.
    ///
    /// - Throws: `TorchError.state` naming every parameter that is missing, unexpected or of another shape; the module
    ///   is then unchanged.
    public func load(_ state: [String: Tensor]) throws {
        let pairs = try matched(state)
        try withoutGradient {
            for (parameter, tensor) in pairs { try parameter.tensor.copy(from: tensor) }
        }
    }

    /// Makes the given tensors the parameters, large ones without a copy where their number format is the same.
    ///
    /// Small ones are copied: once a program has packed the large weights of a mapped file, it needs the file no
    /// longer.
    ///
    /// - Throws: `TorchError.state` as ``load(_:)``; the module is then unchanged.
    public func adopt(_ state: [String: Tensor]) throws {
        let adopted = try matched(state).map { parameter, tensor in
            let own = parameter.tensor
            let adopted = try tensor.detached().to(dtype: own.dtype, device: own.device).contiguous()
            return (parameter, adopted.count < 1 << 18 ? try adopted.cloned() : adopted)
        }
        for (parameter, tensor) in adopted { parameter.tensor = tensor }
    }

    /// Returns the parameters, each with its tensor.
    private func matched(_ state: [String: Tensor]) throws -> [(NamedParameter, Tensor)] {
        let parameters = parameters()
        let names = Set(parameters.map(\.name))
        let missing = parameters.map(\.name).filter { state[$0] == nil }
        let unexpected = state.keys.filter { !names.contains($0) }.sorted()
        var problems: [String] = []
        func list(_ names: [String]) -> String {
            names.prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
        }
        if !missing.isEmpty { problems.append("missing \(list(missing))") }
        if !unexpected.isEmpty { problems.append("unexpected \(list(unexpected))") }
        for parameter in parameters {
            guard let tensor = state[parameter.name], tensor.shape != parameter.tensor.shape else { continue }
            problems.append("\(parameter.name) has shape \(tensor.shape) where \(parameter.tensor.shape) is expected")
        }
        guard problems.isEmpty else {
            throw TorchError.state("the weights do not fit the model: " + problems.joined(separator: "; "))
        }
        return parameters.compactMap { parameter in state[parameter.name].map { (parameter, $0) } }
    }

    /// Turns the recording of gradients on or off for all parameters below this module.
    public func setRequiresGradient(_ value: Bool) throws {
        for parameter in parameters() { try parameter.tensor.requiringGradient(value) }
    }
}

/// A parameter with its full name.
public struct NamedParameter {
    /// Its key in checkpoints.
    public let name: String
    private let get: () -> Tensor
    private let set: (Tensor) -> Void

    init(name: String, get: @escaping () -> Tensor, set: @escaping (Tensor) -> Void) {
        self.name = name
        self.get = get
        self.set = set
    }

    /// The parameter's tensor; setting it replaces the tensor in the module.
    public var tensor: Tensor {
        get { get() }
        nonmutating set { set(newValue) }
    }
}

/// A property that holds parameters or modules.
protocol ModuleProperty {
    var key: String { get }
    func collect(prefix: String, into found: inout [NamedParameter])
    func forEachModule(_ body: (Module) -> Void)
    func replaceModules(_ replacement: (Module) throws -> Module) rethrows
}

/// A type that ``Parameter`` can hold: a tensor that may be absent.
public protocol ParameterValue {
    /// The tensor, if there is one.
    var parameterTensor: Tensor? { get }
    /// Wraps a tensor.
    init(parameterTensor: Tensor)
}

extension Tensor: ParameterValue {
    /// The tensor, if there is one.
    public var parameterTensor: Tensor? { self }
    /// Wraps a tensor.
    public init(parameterTensor: Tensor) { self = parameterTensor }
}

extension Tensor?: ParameterValue {
    /// The tensor, if there is one.
    public var parameterTensor: Tensor? { self }
    /// Wraps a tensor.
    public init(parameterTensor: Tensor) { self = parameterTensor }
}

/// Declares a parameter of a module, with its key beside the property.
@propertyWrapper
public final class Parameter<Value: ParameterValue>: ModuleProperty {
    /// The key in checkpoints, relative to the module's own.
    public let key: String
    private var value: Value?

    /// Declares a parameter that the module's initializer sets.
    public init(_ key: String) {
        self.key = key
    }

    /// The parameter; it must have been set before it is read.
    public var wrappedValue: Value {
        get {
            guard let value else { preconditionFailure("parameter '\(key)' was read before it was set") }
            return value
        }
        set { value = newValue }
    }

    func collect(prefix: String, into found: inout [NamedParameter]) {
        guard wrappedValue.parameterTensor != nil else { return }
        found.append(
            NamedParameter(name: prefix + key) { [self] in
                guard let tensor = wrappedValue.parameterTensor else {
                    preconditionFailure("parameter '\(key)' was removed while in use")
                }
                return tensor
            } set: { [self] in
                value = Value(parameterTensor: $0)
            })
    }

    func forEachModule(_ body: (Module) -> Void) {}

    func replaceModules(_ replacement: (Module) throws -> Module) {}
}

/// A type that ``Child`` can hold: a module, an optional one, or a list of modules numbered from 0.
public protocol ModuleContent {
    /// Calls `body` for each module with the key that leads to it.
    func forEachModule(key: String, _ body: (String, Module) -> Void)
    /// Returns the same content with other modules in their places.
    func replacingModules(_ replacement: (Module) throws -> Module) rethrows -> any ModuleContent
}

/// Returns the content with other modules in their places, which must be of types that it can hold.
private func replaced<Content: ModuleContent>(
    _ content: Content, by replacement: (Module) throws -> Module
) rethrows -> Content {
    let new = try content.replacingModules(replacement)
    guard let fitting = new as? Content else {
        preconditionFailure("\(type(of: new)) cannot take the place of \(Content.self)")
    }
    return fitting
}

extension Module: ModuleContent {
    /// Calls `body` for each module with the key that leads to it.
    public func forEachModule(key: String, _ body: (String, Module) -> Void) { body(key, self) }

    /// Returns the module that takes this one's place.
    public func replacingModules(_ replacement: (Module) throws -> Module) rethrows -> any ModuleContent {
        try replacement(self)
    }
}

extension Optional: ModuleContent where Wrapped: ModuleContent {
    /// Calls `body` for each module with the key that leads to it.
    public func forEachModule(key: String, _ body: (String, Module) -> Void) {
        self?.forEachModule(key: key, body)
    }

    /// Returns the same content with another module in its place.
    public func replacingModules(_ replacement: (Module) throws -> Module) rethrows -> any ModuleContent {
        try map { try replaced($0, by: replacement) }
    }
}

extension Array: ModuleContent where Element: ModuleContent {
    /// Calls `body` for each module with the key that leads to it.
    public func forEachModule(key: String, _ body: (String, Module) -> Void) {
        let prefix = key.isEmpty ? "" : key + "."
        for (index, element) in enumerated() { element.forEachModule(key: "\(prefix)\(index)", body) }
    }

    /// Returns the same content with other modules in their places.
    public func replacingModules(_ replacement: (Module) throws -> Module) rethrows -> any ModuleContent {
        try map { try replaced($0, by: replacement) }
    }
}

/// Declares a part of a module, with its key beside the property.
@propertyWrapper
public final class Child<Content: ModuleContent>: ModuleProperty {
    /// The key in checkpoints, relative to the module's own.
    public let key: String
    private var content: Content?

    /// Declares a part that the module's initializer sets.
    public init(_ key: String) {
        self.key = key
    }

    /// The part; it must have been set before it is read.
    public var wrappedValue: Content {
        get {
            guard let content else { preconditionFailure("part '\(key)' was read before it was set") }
            return content
        }
        set { content = newValue }
    }

    func collect(prefix: String, into found: inout [NamedParameter]) {
        wrappedValue.forEachModule(key: key) { key, module in
            // An empty key puts the part's parameters beside the module's own.
            module.collect(prefix: key.isEmpty ? prefix : prefix + key + ".", into: &found)
        }
    }
    func forEachModule(_ body: (Module) -> Void) {
        wrappedValue.forEachModule(key: key) { _, module in body(module) }
    }

    func replaceModules(_ replacement: (Module) throws -> Module) rethrows {
        wrappedValue = try replaced(wrappedValue, by: replacement)
    }
}
