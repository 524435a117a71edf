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

let package = Package(
    name: "wav2vec2",
    products: [
        .executable(name: "wav2vec2", targets: ["wav2vec2"]),
        .library(name: "Torch", targets: ["Torch"]),
        .library(name: "Kernels", targets: ["Kernels"]),
        .library(name: "Base", targets: ["Base"]),
        .library(name: "Randomness", targets: ["Randomness"]),
        .library(name: "Cluster", targets: ["Cluster"]),
        .library(name: "Audio", targets: ["Audio"]),
        .library(name: "Corpus", targets: ["Corpus"]),
        .library(name: "Fetching", targets: ["Fetching"]),
        .library(name: "Wav2Vec2", targets: ["Wav2Vec2"]),
        .library(name: "Objectives", targets: ["Objectives"]),
        .library(name: "Interchange", targets: ["Interchange"]),
        .library(name: "Decoding", targets: ["Decoding"]),
        .library(name: "Recognition", targets: ["Recognition"]),
        .library(name: "Features", targets: ["Features"]),
        .library(name: "Serving", targets: ["Serving"]),
        .library(name: "Training", targets: ["Training"]),
        .library(name: "Reporting", targets: ["Reporting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    ],
    targets: [
        .target(
            name: "CLibTorch", dependencies: ["CSubnormals"],
            cxxSettings: [
                .define("USE_C10D_GLOO"),
                .unsafeFlags([
                    "-isystem", "\(libTorch)/include", "-isystem",
                    "\(libTorch)/include/torch/csrc/api/include", "-Wall", "-Wextra",
                ]),
            ],
            linkerSettings: libTorchLinker),
        .systemLibrary(name: "CSndfile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSoxr", pkgConfig: "soxr", providers: [.apt(["libsoxr-dev"])]),
        // Debug builds run the kernels too, and unoptimised they would take most of the tests' time.
        .target(
            name: "CKernels", dependencies: ["CSubnormals"],
            cSettings: [.unsafeFlags(["-O3", "-Wall", "-Wextra"])]),
        .target(name: "CSubnormals", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
        .target(name: "Torch", dependencies: ["Base", "CLibTorch", "Randomness"], swiftSettings: strict),
        .target(
            name: "Kernels", dependencies: ["CKernels", "Randomness", "Torch"], resources: [.embedInCode("CUDA")],
            swiftSettings: strict),
        .target(name: "Cluster", dependencies: ["CLibTorch", "Torch"], swiftSettings: strict),
        .target(name: "Randomness", swiftSettings: strict),
        // The floor: every library may use it, and it imports no other library of ours.
        .target(name: "Base", swiftSettings: strict),
        .target(
            name: "CQuietMP3", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])], linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CSpawn", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
        .target(
            name: "Audio", dependencies: ["Base", "CQuietMP3", "CSndfile", "CSoxr", "CSpawn"], swiftSettings: strict),
        // Headers only: the libraries are loaded when something is fetched.
        .target(
            name: "CFetching", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])], linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "Fetching", dependencies: ["CFetching"], swiftSettings: strict),
        .target(name: "Corpus", dependencies: ["Audio", "Base", "Fetching", "Randomness"], swiftSettings: strict),
        .target(name: "Decoding", dependencies: ["Base", "CZlib"], swiftSettings: strict),
        .target(name: "Reporting", swiftSettings: strict),
        .target(name: "Wav2Vec2", dependencies: ["Kernels", "Torch", "Randomness"], swiftSettings: strict),
        .target(
            name: "Objectives", dependencies: ["Kernels", "Randomness", "Torch", "Wav2Vec2"], swiftSettings: strict),
        .target(name: "Interchange", dependencies: ["Base", "Objectives", "Wav2Vec2", "Torch"], swiftSettings: strict),
        .target(
            name: "Recognition",
            dependencies: [
                "Interchange", "Objectives", "Wav2Vec2", "Torch", "Cluster", "Corpus", "Audio", "Base", "Decoding",
                "Randomness",
            ], swiftSettings: strict),
        .target(
            name: "Features",
            dependencies: [
                "Base", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Torch", "Corpus", "Audio",
                "Randomness",
            ],
            swiftSettings: strict),
        .target(
            name: "Serving",
            dependencies: [
                "Recognition", "Audio", "Base", "Decoding", .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
            ], resources: [.embedInCode("Page")], swiftSettings: strict),
        .target(
            name: "Training",
            dependencies: [
                "Interchange", "Objectives", "Wav2Vec2", "Kernels", "Torch", "Cluster", "Corpus", "Base", "CFiles",
                "Decoding", "Randomness", "Yams",
            ], resources: [.embedInCode("Recipes")], swiftSettings: strict),
        .target(name: "CFiles", cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
        // Linked into the program alone: it acts before anything else does.
        .target(name: "CStart", dependencies: ["CSubnormals"], cSettings: [.unsafeFlags(["-Wall", "-Wextra"])]),
        // A folder called wav2vec2 would be Wav2Vec2's on file systems that ignore case.
        .executableTarget(
            name: "wav2vec2",
            dependencies: [
                "Training", "Serving", "Features", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Kernels",
                "Torch",
                "Cluster", "Corpus", "Audio", "Base", "Decoding", "Fetching", "Randomness", "Reporting", "CStart",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Sources/Program", swiftSettings: strict),
        // The kernels for GPUs as C++, on the CPU.
        .target(name: "KernelEmulator", path: "Tests/KernelEmulator", cxxSettings: [.unsafeFlags(["-O1", "-Wall"])]),
        .target(
            name: "TestSupport",
            dependencies: [
                "KernelEmulator", "Interchange", "Objectives", "Wav2Vec2", "Kernels", "Torch", "Randomness",
            ],
            path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "TorchTests", dependencies: ["Kernels", "Torch", "Randomness", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "KernelsTests",
            dependencies: ["Kernels", "Torch", "Randomness", "KernelEmulator", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "ClusterTests", dependencies: ["Cluster", "Torch"], swiftSettings: strict),
        .testTarget(name: "BaseTests", dependencies: ["Base"], swiftSettings: strict),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"], swiftSettings: strict),
        .testTarget(name: "AudioTests", dependencies: ["Audio"], swiftSettings: strict),
        .target(
            name: "TestServer", dependencies: ["Audio", "Fetching"], path: "Tests/TestServer", swiftSettings: strict),
        .testTarget(name: "FetchingTests", dependencies: ["Fetching", "TestServer"], swiftSettings: strict),
        .testTarget(
            name: "CorpusTests", dependencies: ["Corpus", "Audio", "Base", "Fetching", "Randomness", "TestServer"],
            swiftSettings: strict),
        .testTarget(name: "DecodingTests", dependencies: ["Decoding"], swiftSettings: strict),
        .testTarget(name: "ReportingTests", dependencies: ["Reporting"], swiftSettings: strict),
        .testTarget(
            name: "Wav2Vec2Tests",
            dependencies: ["Interchange", "Objectives", "Wav2Vec2", "Kernels", "Torch", "Randomness", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "ObjectivesTests", dependencies: ["Objectives", "Torch"], swiftSettings: strict),
        .testTarget(
            name: "InterchangeTests", dependencies: ["Interchange", "Objectives", "Wav2Vec2", "Torch", "Corpus"],
            swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Kernels", "Torch", "Cluster",
                "Corpus", "Audio",
                "Decoding", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "RecognitionTests",
            dependencies: [
                "Serving", "Features", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Torch", "Corpus",
                "Audio", "Decoding",
                "Randomness", "TestSupport",
            ], swiftSettings: strict),
        .testTarget(
            name: "FeaturesTests",
            dependencies: [
                "Features", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Torch", "Corpus", "Audio",
                "Randomness",
                "TestSupport",
            ], swiftSettings: strict),
        .testTarget(
            name: "ServingTests",
            dependencies: [
                "Serving", "Recognition", "Objectives", "Wav2Vec2", "Audio", "Decoding", "Randomness", "TestSupport",
                .product(name: "FlyingFox", package: "FlyingFox"),
            ], swiftSettings: strict),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "wav2vec2", "Training", "Features", "Recognition", "Interchange", "Objectives", "Wav2Vec2", "Kernels",
                "Torch",
                "Cluster", "Audio", "Fetching", "TestServer", "TestSupport",
            ],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx20
)
