// swift-tools-version: 6.1
import PackageDescription

let libraries = ["W2VAudio", "W2VKernels", "W2VObjectives", "W2VReporting", "W2VTorch", "W2VTraining", "W2VBackbone"]

// In a package of your own: `.package(url: "…/wav2vec2", from: "0.2.0")`.
let version = Context.environment["WAV2VEC2_URL"].map { Package.Dependency.package(url: $0, from: "0.2.0") }

let package = Package(
    name: "CustomObjective",
    dependencies: [
        version ?? .package(name: "wav2vec2", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .executableTarget(
            name: "CustomObjective",
            dependencies: libraries.map { .product(name: $0, package: "wav2vec2") } + [
                .product(name: "Logging", package: "swift-log")
            ])
    ]
)
