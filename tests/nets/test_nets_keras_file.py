"""`.keras` files: what is read of them, and everything that is refused before keras sees it. Most needs no keras."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from keras_files import layer, rewrite, save, small_model, write_file

from fovea.errors import BackboneError, MissingInputError
from fovea.nets.keras_file import read_keras_file, unpack_weights

GIVE = "Give a Sequential or functional model of keras' own layers, saved with model.save('NAME.keras')."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.keras"


def refusal(file: Path) -> str:
    with pytest.raises(BackboneError) as caught:
        read_keras_file(file)
    return str(caught.value)


def because(file: Path, reason: str) -> str:
    return f"The network in {str(file)!r} is refused: {reason}. {GIVE}"


def test_layers_of_keras_are_taken(file: Path) -> None:
    held = read_keras_file(
        write_file(file, layer("Conv2D", name="one", filters=3), layer("ReLU", name="two"))
    )
    assert [one["class_name"] for one in held.config["config"]["layers"]] == ["Conv2D", "ReLU"]
    assert held.version == "3.15.1"


def test_what_only_training_needs_is_left_out(file: Path) -> None:
    initial = layer("GlorotUniform", module="keras.initializers")
    custom = layer("Mine", module=None)
    conv = layer(
        "Conv2D", name="a", kernel_initializer=initial, kernel_regularizer=custom, bias_constraint=custom
    )
    held = read_keras_file(write_file(file, conv, compile_config={"loss": custom}))
    assert "compile_config" not in held.config
    assert held.config["config"]["layers"][0]["config"] == {
        "name": "a",
        "kernel_initializer": "zeros",
        "kernel_regularizer": None,
        "bias_constraint": None,
    }


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("float32", "float32"),
        ("mixed_float16", "float32"),
        ("bfloat16", "float32"),
        ("uint8", "uint8"),
        (layer("DTypePolicy", module="keras", name="mixed_bfloat16"), "float32"),
    ],
)
def test_half_precision_becomes_single(file: Path, dtype: object, kept: str) -> None:
    held = read_keras_file(write_file(file, layer("ReLU", name="a", dtype=dtype)))
    assert held.config["config"]["layers"][0]["config"]["dtype"] == kept


def test_a_lambda_layer_is_refused(file: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
    write_file(file, layer("Lambda", name="double", function=code))
    assert refusal(file) == because(file, "'double' is a Lambda, which would run code from the file")


def test_a_lambda_inside_another_layer_is_refused(file: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}, "module": "builtins"}
    write_file(file, layer("Activation", name="act", activation=code))
    assert refusal(file) == because(file, "'__lambda__' is a Lambda, which would run code from the file")


def test_a_lambda_where_tensors_enter_is_refused(file: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
    write_file(file, {**layer("ReLU", name="a"), "inbound_nodes": [{"args": [code], "kwargs": {}}]})
    assert " is a Lambda, which would run code from the file. " in refusal(file)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (layer("TorchModuleWrapper", name="t"), "'t' is of the class 'TorchModuleWrapper' of 'keras.layers'"),
        (layer("TFSMLayer", name="t"), "'t' is of the class 'TFSMLayer' of 'keras.layers'"),
        (layer("StringLookup", name="t", vocabulary="/etc/passwd"), "'t' is of the class 'StringLookup' of"),
        (
            layer("get_file", module="keras.utils", name="t"),
            "'t' is of the class 'get_file' of 'keras.utils'",
        ),
        (layer("system", module="os", name="t"), "'t' is of the class 'system' of 'os'"),
        (layer("Conv2D", module="evil.layers", name="t"), "'t' is of the class 'Conv2D' of 'evil.layers'"),
        (layer("Mine", module=None, name="t"), "'t' is of the class 'Mine' of None"),
        (
            layer("Cond", module="keras.src.ops.core", name="t"),
            "'t' is of the class 'Cond' of 'keras.src.ops.core'",
        ),
        ({**layer("Conv2D", name="t"), "registered_name": "mine>Conv2D"}, "'t' is of the class 'Conv2D' of"),
    ],
)
def test_other_classes_are_refused(file: Path, entry: dict[str, Any], named: str) -> None:
    said = refusal(write_file(file, entry))
    assert said.startswith(f"The network in {str(file)!r} is refused: {named}")
    assert said.endswith(
        ", which is not among the layers that can be taken without running other people's code. " + GIVE
    )


def test_a_function_that_is_no_activation_is_refused(file: Path) -> None:
    function = {
        "module": "keras.utils",
        "class_name": "function",
        "config": "get_file",
        "registered_name": None,
    }
    write_file(file, layer("Dense", name="a", activation=function))
    assert refusal(file) == because(file, "the activation 'get_file' is not one of keras' own")


def test_an_unknown_kind_of_numbers_is_refused(file: Path) -> None:
    policy = layer("QuantizedDTypePolicy", module="keras", name="int8_from_float32")
    write_file(file, layer("Dense", name="a", dtype=policy))
    assert refusal(file) == because(file, "it computes in 'int8_from_float32'")


@pytest.mark.parametrize("name", [["Dense"], {"a": 1}])
def test_a_class_that_is_no_name_is_refused(file: Path, name: object) -> None:
    entry = {**layer("Dense"), "class_name": name}
    assert (
        " is refused: its 'config.json' is not as keras writes it (TypeError: unhashable type: "
        in refusal(write_file(file, entry))
    )


def test_a_lambda_that_keras_saved_never_runs(keras: Any, file: Path, tmp_path: Path) -> None:
    marker = str(tmp_path / "ran")
    mark = keras.layers.Lambda(
        lambda x: (__import__("os").makedirs(marker, exist_ok=True), x)[1], name="mark"
    )
    save(keras, keras.Sequential([keras.layers.Input((8, 8, 3)), mark]), file)
    Path(marker).rmdir()
    assert refusal(file) == because(file, "'mark' is a Lambda, which would run code from the file")
    assert not Path(marker).exists()


def test_a_layer_of_the_user_s_own_is_refused(keras: Any, file: Path) -> None:
    class Mine(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    save(keras, keras.Sequential([keras.layers.Input((8, 8, 3)), Mine(name="own")]), file)
    assert refusal(file).startswith(
        f"The network in {str(file)!r} is refused: 'own' is of the class 'Mine' of "
    )


def test_a_subclassed_model_is_refused(file: Path) -> None:
    write_file(file, class_name="MyModel", module="my.package", registered_name="my>MyModel")
    assert refusal(file) == because(
        file, "it is a 'MyModel', and only Sequential and functional models hold their whole layout in a file"
    )


@pytest.mark.parametrize(("version", "said"), [("2.15.0", "2.15.0"), ("", "of an unknown version")])
def test_a_file_of_keras_2_is_refused(file: Path, version: str, said: str) -> None:
    write_file(file, layer("ReLU", name="a"), version=version)
    assert refusal(file) == (
        f"{str(file)!r} was saved by keras {said}; version 3 or newer is read. Load it there, and save it again with "
        "keras 3: model.save('NAME.keras')."
    )


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        read_keras_file(file)
    assert str(caught.value) == (
        f"The weights file {str(file)!r} cannot be read: No such file or directory. Check the path after --weights."
    )


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_a_file_that_is_no_archive_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert refusal(file) == (
        f"{str(file)!r} is not a whole .keras file (File is not a zip file). Copy it again, or save it again with "
        "model.save('NAME.keras')."
    )


def test_a_cut_archive_is_refused(file: Path) -> None:
    write_file(file, layer("ReLU", name="a"))
    file.write_bytes(file.read_bytes()[:-30])
    assert "is not a whole .keras file (File is not a zip file)" in refusal(file)


def test_a_changed_byte_is_seen(file: Path) -> None:
    write_file(file, layer("ReLU", name="a"))
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"ReLU"', b'"ReLu"', 1))
    assert "is not a whole .keras file (Bad CRC-32 for file 'config.json')" in refusal(file)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b"{", "its 'config.json' is not valid JSON (Expecting property name enclosed in double quotes: "),
        (b"[" * 100_000, "its 'config.json' is not valid JSON (it is nested too deeply)"),
        (b"[]", "its 'config.json' does not hold a JSON object"),
        (None, "it holds 0 files 'config.json' instead of one"),
    ],
)
def test_a_configuration_that_is_none_is_refused(file: Path, config: bytes | None, reason: str) -> None:
    rewrite(write_file(file), config=config)
    assert f" is refused: {reason}" in refusal(file)


def test_two_configurations_are_refused(file: Path) -> None:
    write_file(file, layer("ReLU", name="a"))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("config.json", json.dumps(layer("Lambda")))
    assert refusal(file) == because(file, "it holds 2 files 'config.json' instead of one")


def test_a_file_without_weights_is_refused(file: Path) -> None:
    assert refusal(rewrite(write_file(file), weights=None)) == because(file, "it holds no 'model.weights.h5'")


def test_a_deeply_nested_network_is_refused(file: Path) -> None:
    around = '{"module": "keras", "class_name": "Sequential", "config": {"layers": ['
    config = around * 150 + json.dumps(layer("ReLU", name="a")) + "]}}" * 150
    rewrite(write_file(file), config=config.encode())
    assert refusal(file) == because(file, "its 'config.json' is nested too deeply")


def test_weights_that_unpack_to_far_more_are_refused(file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(write_file(file), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("unused", b"")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(64 << 20))
    with pytest.raises(BackboneError) as caught:
        unpack_weights(file, tmp_path)
    assert str(caught.value) == because(file, f"its weights unpack to {64 << 20:,} bytes")


def test_weights_of_an_encrypted_archive_are_refused(file: Path, tmp_path: Path) -> None:
    write_file(file)
    content = bytearray(file.read_bytes())
    for mark, offset in (
        (b"PK\x01\x02", 8),
        (b"PK\x03\x04", 6),
    ):  # the flag "encrypted" in both kinds of headers
        start = 0
        while (start := content.find(mark, start)) >= 0:
            struct.pack_into("<H", content, start + offset, 1)
            start += 4
    file.write_bytes(content)
    assert "is not a whole .keras file (File 'config.json' is encrypted" in refusal(file)


def test_what_keras_writes_is_taken(keras: Any, file: Path, tmp_path: Path) -> None:
    save(keras, small_model(keras), file)
    assert read_keras_file(file).version == keras.__version__
    import h5py

    with h5py.File(unpack_weights(file, tmp_path)) as content:
        assert content["layers/conv2d/vars/0"].shape == (3, 3, 3, 6)


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_weights_that_lead_elsewhere_are_refused(keras: Any, file: Path, tmp_path: Path, kind: str) -> None:
    import h5py

    links = {"soft": h5py.SoftLink("/layers"), "external": h5py.ExternalLink("/etc/passwd", "/")}
    with h5py.File(tmp_path / "w.h5", "w") as content:
        content["other"] = links[kind]
    rewrite(write_file(file), weights=(tmp_path / "w.h5").read_bytes())
    with pytest.raises(BackboneError) as caught:
        unpack_weights(file, tmp_path)
    assert str(caught.value) == because(file, "'/other' in its weights leads to another place")


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_weights_that_lie_in_another_file_are_refused(
    keras: Any, file: Path, tmp_path: Path, kind: str
) -> None:
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(bytes(400))
    with h5py.File(tmp_path / "w.h5", "w") as content:
        if kind == "external":
            content.create_dataset("a/b", (100,), "f4", external=[(str(secret), 0, 400)])
        else:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
            content.create_virtual_dataset("a/b", layout)
    rewrite(write_file(file), weights=(tmp_path / "w.h5").read_bytes())
    with pytest.raises(BackboneError) as caught:
        unpack_weights(file, tmp_path)
    assert str(caught.value) == because(file, "'/a/b' in its weights lies in another file")


def test_weights_that_only_claim_their_size_are_refused(keras: Any, file: Path, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as content:
        content.create_dataset("a", (1 << 40,), "f4", chunks=(1 << 20,))
    rewrite(write_file(file), weights=(tmp_path / "w.h5").read_bytes())
    with pytest.raises(BackboneError) as caught:
        unpack_weights(file, tmp_path)
    assert str(caught.value) == because(file, f"its weights unpack to {4 << 40:,} bytes")


def test_weights_that_are_no_hdf5_are_refused(keras: Any, file: Path, tmp_path: Path) -> None:
    rewrite(write_file(file), weights=b"nothing")
    with pytest.raises(
        BackboneError, match=r"^The weights in .* are not a whole HDF5 file \(.*\)\. Copy it again\.$"
    ):
        unpack_weights(file, tmp_path)
