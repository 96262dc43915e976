"""Masks whose colours stand for classes, with a table of them and without."""

import numpy as np
import pytest
from PIL import Image
from test_drawn_layouts import COUNT, SIZE, picture, samples

from paddleprune.data.layouts import look
from paddleprune.data.readers import find_reader
from paddleprune.errors import UserError

COLOURS = {0x000000: "sky", 0x804000: "road", 0xFF00FF: "void"}
TABLES = {
    "class_dict.csv": "name,r,g,b\nsky,0,0,0\nroad,128,64,0\nvoid,255,0,255\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:128,64,0:a,b:c\nvoid:255,0,255::\n",
    "label_colors.txt": "0 0 0\tsky\n128 64 0\t\troad\n255 0 255\tvoid\n",
    "": "",
}


@pytest.mark.parametrize("table", TABLES)
def test_masks_of_colours(tmp_path, table):
    data = tmp_path / "data"
    colours = np.resize(np.array(list(COLOURS)), SIZE)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=2).astype(np.uint8)
    for i in range(COUNT):
        picture(data / f"images/{i}.png")
        (data / "masks").mkdir(exist_ok=True)
        Image.fromarray(rgb).save(data / f"masks/{i}.png")
    if table:
        (data / table).write_text(TABLES[table])
    found = look(data, tmp_path / "made")
    labels, rows = samples(found)
    named = ["sky", "road"] if table else ["colour_000000", "colour_804000", "colour_ff00ff"]
    assert (found.kind, labels) == ("images beside masks", named)
    expected = np.resize([0, 1, 255 if table else 2], SIZE)
    np.testing.assert_array_equal(rows[0]["mask"], expected)
    rgb[3, 3] = 1
    for i in range(COUNT):
        Image.fromarray(rgb).save(data / f"masks/{i}.png")
    reader = find_reader("seg_list")(
        data, found.train_list, found.labels, values=found.settings["mask_values"]
    )
    with pytest.raises(UserError, match="holds the colour #010101"):
        [reader.read(i) for i in range(len(reader))]
