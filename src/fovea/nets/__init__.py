"""Networks: describing weights files, building zoo networks, taking and pooling their stages."""

from fovea.nets.engine import TorchRunner, choose_device, has_bf16
from fovea.nets.local import find_weights, list_described
from fovea.nets.named import NamedNetwork, Shown, build_described, build_named, check_spec, list_stages
from fovea.nets.places import places_of, stages_version
from fovea.nets.stages import Place, pooled_network, stage_widths
from fovea.nets.weights import WeightsCard, read_weights_card
from fovea.nets.zoo import example_pixels, import_torchvision, plain_attention, run_pooled

__all__ = [
    "NamedNetwork",
    "Place",
    "Shown",
    "TorchRunner",
    "WeightsCard",
    "build_described",
    "build_named",
    "check_spec",
    "choose_device",
    "example_pixels",
    "find_weights",
    "has_bf16",
    "import_torchvision",
    "list_described",
    "list_stages",
    "places_of",
    "plain_attention",
    "pooled_network",
    "read_weights_card",
    "run_pooled",
    "stage_widths",
    "stages_version",
]
