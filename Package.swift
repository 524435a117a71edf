// swift-tools-version: 6.1
import PackageDescription

// Whether SwiftPM has checked this package out for another that depends on a version of it. Such a package may not have
// unsafe flags, so there are none that it could not do without.
let isCheckout = Context.packageDirectory.split(separator: "/").dropLast().last == "checkouts"

// LibTorch's headers and libraries, as `Scripts/setup` describes them to SwiftPM: those of this clone, or, for packages
// that depend on a version of this one, those that were set up last. The libraries that the latter are linked with bear
// the real ones' paths, so no run path is needed (see `Scripts/setup`).
let cache = Context.environment["XDG_CACHE_HOME"] ?? "\(Context.environment["HOME"] ?? "")/.cache"
let libTorch = isCheckout ? "\(cache)/wav2vec2/libtorch.pc" : "\(Context.packageDirectory)/.libtorch/libtorch.pc"

// Where this package's own programs look for the libraries.
let runPaths: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-rpath", "\(Context.packageDirectory)/.libtorch/torch/lib",
            // Where `make install` puts the libraries, so that the installed program can be moved.
            "-rpath", "$ORIGIN/../lib/wav2vec2/torch/lib", "-rpath", "$ORIGIN/../lib/wav2vec2/system",
            "-rpath-link", "\(Context.packageDirectory)/.libtorch/nvidia/cu13/lib",
        ].flatMap { ["-Xlinker", $0] })
]

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
]

// A library in Swift: the module `W2VTorch` is in `Sources/Engine/Torch`. The prefix keeps our modules apart from an
// app's own, which may well have a `Torch` or an `Audio` too.
func library(
    _ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [],
    resources: [Resource]? = nil
) -> Target {
    .target(
        name: "W2V\(name)", dependencies: dependencies, path: "Sources/\(folder)", exclude: exclude,
        resources: resources, swiftSettings: strict)
}

// A library in C or C++: `CW2VKernels` is in `Sources/Engine/CKernels`.
func native(
    _ name: String, in floor: String = "System", _ dependencies: [Target.Dependency] = [], flags: [String] = [],
    defines: [String] = [], exclude: [String] = [], links: [LinkerSetting]? = nil
) -> Target {
    let flags = isCheckout ? [] : flags + ["-Wall", "-Wextra"]
    return .target(
        name: "CW2V\(name)", dependencies: dependencies, path: "Sources/\(floor)/C\(name)", exclude: exclude,
        cSettings: [.unsafeFlags(flags)], cxxSettings: [.unsafeFlags(flags)] + defines.map { .define($0) },
        linkerSettings: links)
}

// A library that Debian has.
func system(_ name: String, _ pkgConfig: String, debian package: String) -> Target {
    .systemLibrary(
        name: "CW2V\(name)", path: "Sources/System/C\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: strict)
}

/// Levels and metadata for what libraries have to say; the program that uses them decides where it goes.
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
/// Connections, HTTP, WebSockets and TLS.
let nio =
    ["NIOCore", "NIOHTTP1", "NIOPosix"].map { Target.Dependency.product(name: $0, package: "swift-nio") }
    + [.product(name: "NIOSSL", package: "swift-nio-ssl")]
let webSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")

// Floor by floor: a library imports those above it in this list, and no other.

let floor: [Target] = [
    native("Subnormals"),
    native("Files"),
    native("Spawn"),
    native("QuietMP3", links: [.linkedLibrary("dl")]),
    // Headers only: the libraries are loaded when something is fetched.
    native("Fetching", links: [.linkedLibrary("dl")]),
    // Linked into the program alone: it acts before anything else does.
    native("Start", ["CW2VSubnormals"], exclude: ["Help"]),
    system("Sndfile", "sndfile", debian: "libsndfile1-dev"),
    system("Soxr", "soxr", debian: "libsoxr-dev"),
    system("Zlib", "zlib", debian: "zlib1g-dev"),
    library(
        "Base", in: "Base", ["CW2VFiles", "CW2VZlib", systemPackage]),
]

let engine: [Target] = [
    .systemLibrary(name: "CW2VTorchLibraries", path: "Sources/System/CTorchLibraries", pkgConfig: libTorch),
    native(
        "LibTorch", in: "Engine", ["CW2VSubnormals", "CW2VTorchLibraries"],
        // Warnings about LibTorch's headers are not for us.
        flags: ["torch/", "ATen/", "c10/"].map { "--system-header-prefix=\($0)" }, defines: ["USE_C10D_GLOO"],
        links: isCheckout ? nil : runPaths),
    // Debug builds run the kernels too, and unoptimized they would take most of the tests' time.
    native("Kernels", in: "Engine", ["CW2VSubnormals"], flags: ["-O3"]),
    library("Torch", in: "Engine/Torch", ["CW2VLibTorch", "W2VBase"]),
    library(
        "Kernels", in: "Engine/Kernels", ["CW2VKernels", "W2VTorch"], resources: [.embedInCode("CUDA")]),
]

let data: [Target] = [
    library("Audio", in: "Data/Audio", ["CW2VQuietMP3", "CW2VSndfile", "CW2VSoxr", "CW2VSpawn", "W2VBase"]),
    library("Fetching", in: "Data/Fetching", ["CW2VFetching", "W2VBase", logging, systemPackage]),
    library("Corpus", in: "Data/Corpus", ["W2VAudio", "W2VBase"]),
    library("LibriSpeech", in: "Data/LibriSpeech", ["W2VBase", "W2VCorpus", "W2VFetching"]),
]

let models: [Target] = [
    library("Backbone", in: "Models/Backbone", ["W2VBase", "W2VKernels", "W2VTorch"]),
    library("Objectives", in: "Models/Objectives", ["W2VBackbone", "W2VBase", "W2VKernels", "W2VTorch"]),
    library("Interchange", in: "Models/Interchange", ["W2VBackbone", "W2VBase", "W2VObjectives", "W2VTorch"]),
]

let use: [Target] = [
    library("Decoding", in: "Use/Decoding", ["CW2VZlib", "W2VBase"]),
    library("Reporting", in: "Use/Reporting", ["W2VBase"]),
    library("Inference", in: "Use/Inference", ["W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VTorch", deque]),
    library(
        "Recognition", in: "Use/Recognition",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VDecoding", "W2VInference", "W2VInterchange",
            "W2VObjectives", "W2VTorch",
        ]),
    library(
        "Features", in: "Use/Features",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VInference", "W2VInterchange", "W2VObjectives",
            "W2VTorch", systemPackage,
        ]),
    library(
        "Serving", in: "Use/Serving",
        [
            "W2VAudio", "W2VBase", "W2VDecoding", "W2VFeatures", "W2VInference", "W2VRecognition", deque,
            serviceLifecycle, webSocket,
            .product(name: "CoreMetrics", package: "swift-metrics"),
        ] + nio, resources: [.embedInCode("Page")]),
]

let train: [Target] = [
    library("Cluster", in: "Train/Cluster", ["CW2VLibTorch", "W2VBase", "W2VTorch", logging]),
    library(
        "Training", in: "Train/Training",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VCorpus", "W2VDecoding", "W2VInterchange",
            "W2VKernels", "W2VObjectives", "W2VTorch", "Yams", logging,
        ], exclude: ["Recipes/cluster"],
        resources: [.embedInCode("Options"), .embedInCode("Recipes")]),
]

// What most apps need, in one import. Not `Wav2Vec2`: where case is ignored, its products and the program's are one.
let umbrella = library(
    "", in: "W2V",
    [
        "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VDecoding", "W2VFeatures", "W2VInference",
        "W2VInterchange", "W2VRecognition", "W2VTorch",
    ])

let libraries = (floor + engine + data + models + use + train).map(\.name).filter { $0.hasPrefix("W2V") }

let program: [Target] = [
    // Named unlike its product: a module `wav2vec2` beside `Wav2Vec2` would be one where case is ignored.
    .executableTarget(
        name: "W2VProgram",
        dependencies: libraries.map { .byName(name: $0) } + [
            "CW2VStart", argumentParser, logging, serviceLifecycle,
        ], path: "Sources/Program", swiftSettings: strict)
]

let testing: [Target] = [
    // The kernels for GPUs as C++. The sanitizer's instrumentation calls the emulator before each access to memory, in
    // place of the sanitizer's own library, which is not linked.
    .target(
        name: "EmulatedKernels", path: "Tests/EmulatedKernels", exclude: ["Faults.cu"],
        cxxSettings: [.unsafeFlags(["-O1", "-Wall", "-fsanitize=thread"])]),
    // Runs them on the CPU.
    .target(
        name: "KernelEmulator", dependencies: ["EmulatedKernels"], path: "Tests/KernelEmulator",
        cxxSettings: [.unsafeFlags(["-O1", "-Wall"])]),
    .target(
        name: "TestSupport",
        dependencies: [
            "KernelEmulator", "W2VAudio", "W2VBackbone", "W2VBase", "W2VFetching", "W2VInterchange", "W2VKernels",
            "W2VObjectives", "W2VTorch", logging,
            .product(name: "InMemoryLogging", package: "swift-log"),
        ], path: "Tests/TestSupport", swiftSettings: strict),
    tests("Base", ["TestSupport", "W2VBase", systemPackage]),
    tests("Torch", ["TestSupport", "W2VBase", "W2VKernels", "W2VTorch"]),
    tests("Kernels", ["EmulatedKernels", "KernelEmulator", "TestSupport", "W2VBase", "W2VKernels", "W2VTorch"]),
    tests("Audio", ["TestSupport", "W2VAudio"]),
    tests("Fetching", ["TestSupport", "W2VFetching"]),
    tests("Corpus", ["TestSupport", "W2VAudio", "W2VBase", "W2VCorpus", "W2VFetching", "W2VLibriSpeech"]),
    tests(
        "Wav2Vec2",
        ["TestSupport", "W2VBackbone", "W2VBase", "W2VInterchange", "W2VKernels", "W2VObjectives", "W2VTorch"]),
    tests("Objectives", ["TestSupport", "W2VObjectives", "W2VTorch"]),
    tests(
        "Interchange",
        [
            "TestSupport", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VInterchange", "W2VKernels", "W2VObjectives",
            "W2VTorch",
        ]),
    tests("Cluster", ["TestSupport", "W2VCluster", "W2VTorch"]),
    // KillTests runs the program.
    tests(
        "Training",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VCorpus", "W2VInterchange",
            "W2VKernels", "W2VObjectives", "W2VProgram", "W2VTorch", "W2VTraining",
        ]),
    tests("Decoding", ["TestSupport", "W2VBase", "W2VDecoding"]),
    tests("Reporting", ["TestSupport", "W2VReporting"]),
    tests("Inference", ["TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VInference"]),
    tests(
        "Recognition",
        [
            "TestSupport", "W2V", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VDecoding", "W2VFeatures",
            "W2VInference", "W2VInterchange", "W2VObjectives", "W2VRecognition", "W2VServing", "W2VTorch",
        ]),
    tests(
        "Features",
        [
            "TestSupport", "W2VBackbone", "W2VBase", "W2VFeatures", "W2VInference", "W2VInterchange", "W2VObjectives",
            "W2VTorch",
        ]),
    tests(
        "Serving",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VDecoding", "W2VFeatures", "W2VInference",
            "W2VInterchange", "W2VObjectives", "W2VRecognition", "W2VServing", "W2VTorch",
            .product(name: "CoreMetrics", package: "swift-metrics"),
        ] + nio),
    tests(
        "CommandLine",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VDecoding", "W2VFetching",
            "W2VInterchange",
            "W2VKernels", "W2VObjectives", "W2VProgram", "W2VTorch", "W2VTraining", argumentParser, logging,
        ]),
]

let package = Package(
    name: "wav2vec2",
    products: [.executable(name: "wav2vec2", targets: ["W2VProgram"])]
        + (libraries + [umbrella.name]).map { .library(name: $0, targets: [$0]) },
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: floor + engine + data + models + use + train + [umbrella] + program + testing,
    cxxLanguageStandard: .cxx20
)
