// swift-tools-version: 6.1
import PackageDescription

let libraries = ["W2VAudio", "W2VKernels", "W2VObjectives", "W2VReporting", "W2VTorch", "W2VTraining", "W2VBackbone"]

let package = Package(
    name: "CustomObjective",
    dependencies: [.package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomObjective", dependencies: libraries.map { .product(name: $0, package: "wav2vec2") })
    ]
)
