"""Networks: describing weights files, building zoo networks, taking and pooling their stages."""

from fovea.nets.stages import Place, places_of, pooled_network, stage_widths, stages_version
from fovea.nets.weights import WeightsCard, read_weights_card
from fovea.nets.zoo import build_pooled, example_pixels, import_torchvision, run_pooled

__all__ = [
    "Place",
    "WeightsCard",
    "build_pooled",
    "example_pixels",
    "import_torchvision",
    "places_of",
    "pooled_network",
    "read_weights_card",
    "run_pooled",
    "stage_widths",
    "stages_version",
]
