// swift-tools-version: 6.1
import PackageDescription

let libraries = ["Audio", "Kernels", "Objectives", "Reporting", "Torch", "Training", "Wav2Vec2"]

let package = Package(
    name: "CustomObjective",
    dependencies: [.package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomObjective", dependencies: libraries.map { .product(name: $0, package: "wav2vec2") })
    ]
)
