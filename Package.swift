// swift-tools-version: 6.1
import PackageDescription

// `Scripts/setup` links LibTorch into `.libtorch`: `torch/{include,lib}` beside `nvidia/cu13/lib`, as pip lays them out.
let libTorch = "\(Context.packageDirectory)/.libtorch/torch"

let libTorchLinker: [LinkerSetting] = [
    .unsafeFlags([
        "-L\(libTorch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(libTorch)/lib",
        // Where `make install` puts the libraries, so that the installed program can be moved.
        "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/wav2vec2/torch/lib",
        "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/wav2vec2/system",
        "-Xlinker", "-rpath-link", "-Xlinker", "\(libTorch)/../nvidia/cu13/lib",
    ]),
    .linkedLibrary("torch_cpu"), .linkedLibrary("c10"), .linkedLibrary("stdc++"),
]

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
]

/// A library in Swift: the module `W2VTorch` lies in `Sources/Engine/Torch`. The prefix keeps our modules apart from an
/// app's own, which may well have a `Torch` or an `Audio` too.
func library(
    _ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil
) -> Target {
    .target(
        name: "W2V\(name)", dependencies: dependencies, path: "Sources/\(folder)", resources: resources,
        swiftSettings: strict)
}

/// A library in C or C++: `CW2VKernels` lies in `Sources/Engine/CKernels`.
func native(
    _ name: String, in floor: String = "System", _ dependencies: [Target.Dependency] = [], flags: [String] = [],
    links: [LinkerSetting]? = nil
) -> Target {
    let flags = flags + ["-Wall", "-Wextra"]
    return .target(
        name: "CW2V\(name)", dependencies: dependencies, path: "Sources/\(floor)/C\(name)",
        cSettings: [.unsafeFlags(flags)], cxxSettings: [.unsafeFlags(flags)], linkerSettings: links)
}

/// A library that Debian has.
func system(_ name: String, _ pkgConfig: String, debian package: String) -> Target {
    .systemLibrary(
        name: "CW2V\(name)", path: "Sources/System/C\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: strict)
}

// Floor by floor: a library imports those above it in this list, and no other.

let floor: [Target] = [
    native("Subnormals"),
    native("Files"),
    native("Spawn"),
    native("QuietMP3", links: [.linkedLibrary("dl")]),
    // Headers only: the libraries are loaded when something is fetched.
    native("Fetching", links: [.linkedLibrary("dl")]),
    // Linked into the program alone: it acts before anything else does.
    native("Start", ["CW2VSubnormals"]),
    system("Sndfile", "sndfile", debian: "libsndfile1-dev"),
    system("Soxr", "soxr", debian: "libsoxr-dev"),
    system("Zlib", "zlib", debian: "zlib1g-dev"),
    library(
        "Base", in: "Base", ["CW2VFiles", "CW2VZlib", .product(name: "SystemPackage", package: "swift-system")]),
]

let engine: [Target] = [
    .target(
        name: "CW2VLibTorch", dependencies: ["CW2VSubnormals"], path: "Sources/Engine/CLibTorch",
        cxxSettings: [
            .define("USE_C10D_GLOO"),
            .unsafeFlags([
                "-isystem", "\(libTorch)/include", "-isystem", "\(libTorch)/include/torch/csrc/api/include", "-Wall",
                "-Wextra",
            ]),
        ],
        linkerSettings: libTorchLinker),
    // Debug builds run the kernels too, and unoptimised they would take most of the tests' time.
    native("Kernels", in: "Engine", ["CW2VSubnormals"], flags: ["-O3"]),
    library("Torch", in: "Engine/Torch", ["CW2VLibTorch", "W2VBase"]),
    library(
        "Kernels", in: "Engine/Kernels", ["CW2VKernels", "W2VBase", "W2VTorch"], resources: [.embedInCode("CUDA")]),
]

let data: [Target] = [
    library("Audio", in: "Data/Audio", ["CW2VQuietMP3", "CW2VSndfile", "CW2VSoxr", "CW2VSpawn", "W2VBase"]),
    library(
        "Fetching", in: "Data/Fetching",
        ["CW2VFetching", "W2VBase", .product(name: "SystemPackage", package: "swift-system")]),
    library("Corpus", in: "Data/Corpus", ["W2VAudio", "W2VBase", "W2VFetching"]),
]

let models: [Target] = [
    library("Backbone", in: "Models/Backbone", ["W2VBase", "W2VKernels", "W2VTorch"]),
    library("Objectives", in: "Models/Objectives", ["W2VBackbone", "W2VBase", "W2VKernels", "W2VTorch"]),
    library("Interchange", in: "Models/Interchange", ["W2VBackbone", "W2VBase", "W2VObjectives", "W2VTorch"]),
]

let train: [Target] = [
    library("Cluster", in: "Train/Cluster", ["CW2VLibTorch", "W2VBase", "W2VTorch"]),
    library(
        "Training", in: "Train/Training",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VCorpus", "W2VDecoding", "W2VInterchange",
            "W2VKernels", "W2VObjectives", "W2VTorch", "Yams",
        ], resources: [.embedInCode("Recipes")]),
]

let use: [Target] = [
    library("Decoding", in: "Use/Decoding", ["CW2VZlib", "W2VBase"]),
    library("Reporting", in: "Use/Reporting"),
    library(
        "Recognition", in: "Use/Recognition",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VCorpus", "W2VDecoding", "W2VInterchange",
            "W2VObjectives", "W2VTorch",
        ]),
    library(
        "Features", in: "Use/Features",
        [
            "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VInterchange", "W2VObjectives", "W2VRecognition",
            "W2VTorch", .product(name: "SystemPackage", package: "swift-system"),
        ]),
    library(
        "Serving", in: "Use/Serving",
        [
            "W2VAudio", "W2VBase", "W2VRecognition", .product(name: "FlyingFox", package: "FlyingFox"),
            .product(name: "FlyingSocks", package: "FlyingFox"),
        ], resources: [.embedInCode("Page")]),
]

let libraries = (floor + engine + data + models + use + train).map(\.name).filter { $0.hasPrefix("W2V") }

let program: [Target] = [
    // Named unlike its product: a module `wav2vec2` beside `Wav2Vec2` would be one where case is ignored.
    .executableTarget(
        name: "W2VProgram",
        dependencies: libraries.map { .byName(name: $0) } + [
            "CW2VStart", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ], path: "Sources/Program", swiftSettings: strict)
]

let testing: [Target] = [
    // The kernels for GPUs as C++, on the CPU.
    .target(name: "KernelEmulator", path: "Tests/KernelEmulator", cxxSettings: [.unsafeFlags(["-O1", "-Wall"])]),
    .target(
        name: "TestSupport",
        dependencies: [
            "KernelEmulator", "W2VBackbone", "W2VBase", "W2VInterchange", "W2VKernels", "W2VObjectives", "W2VTorch",
        ], path: "Tests/TestSupport", swiftSettings: strict),
    .target(
        name: "TestServer", dependencies: ["W2VAudio", "W2VFetching"], path: "Tests/TestServer", swiftSettings: strict),
    tests("Base", ["W2VBase", .product(name: "SystemPackage", package: "swift-system")]),
    tests("Torch", ["TestSupport", "W2VBase", "W2VKernels", "W2VTorch"]),
    tests("Kernels", ["KernelEmulator", "TestSupport", "W2VBase", "W2VKernels", "W2VTorch"]),
    tests("Audio", ["W2VAudio"]),
    tests("Fetching", ["TestServer", "W2VFetching"]),
    tests("Corpus", ["TestServer", "W2VAudio", "W2VBase", "W2VCorpus", "W2VFetching"]),
    tests(
        "Wav2Vec2",
        ["TestSupport", "W2VBackbone", "W2VBase", "W2VInterchange", "W2VKernels", "W2VObjectives", "W2VTorch"]),
    tests("Objectives", ["W2VObjectives", "W2VTorch"]),
    tests("Interchange", ["W2VBackbone", "W2VBase", "W2VCorpus", "W2VInterchange", "W2VObjectives", "W2VTorch"]),
    tests("Cluster", ["W2VCluster", "W2VTorch"]),
    tests(
        "Training",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VCorpus", "W2VDecoding",
            "W2VInterchange", "W2VKernels", "W2VObjectives", "W2VRecognition", "W2VTorch", "W2VTraining",
        ]),
    tests("Decoding", ["W2VBase", "W2VDecoding"]),
    tests("Reporting", ["W2VReporting"]),
    tests(
        "Recognition",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VDecoding", "W2VFeatures",
            "W2VInterchange", "W2VObjectives", "W2VRecognition", "W2VServing", "W2VTorch",
        ]),
    tests(
        "Features",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCorpus", "W2VFeatures", "W2VInterchange",
            "W2VObjectives", "W2VRecognition", "W2VTorch",
        ]),
    tests(
        "Serving",
        [
            "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VDecoding", "W2VObjectives", "W2VRecognition",
            "W2VServing", .product(name: "FlyingFox", package: "FlyingFox"),
        ]),
    tests(
        "CommandLine",
        [
            "TestServer", "TestSupport", "W2VAudio", "W2VBackbone", "W2VBase", "W2VCluster", "W2VFeatures",
            "W2VFetching", "W2VInterchange", "W2VKernels", "W2VObjectives", "W2VProgram", "W2VRecognition", "W2VTorch",
            "W2VTraining",
        ]),
]

let package = Package(
    name: "wav2vec2",
    products: [.executable(name: "wav2vec2", targets: ["W2VProgram"])]
        + libraries.map { .library(name: $0, targets: [$0]) },
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    ],
    targets: floor + engine + data + models + train + use + program + testing,
    cxxLanguageStandard: .cxx20
)
