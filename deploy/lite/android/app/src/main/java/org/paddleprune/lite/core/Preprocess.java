package org.paddleprune.lite.core;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** From a picture to what the network takes, step by step as the manifest says. */
public final class Preprocess {
    private float[][] planes; // red, green, blue
    private int width;
    private int height;

    private Preprocess(Picture picture) {
        planes = picture.planes();
        width = picture.width;
        height = picture.height;
    }

    /**
     * Float32, channels first: [3, height, width].
     *
     * @throws JSONException for a step that is unknown, or a result that does not fit the network.
     */
    public static float[] run(Picture picture, Manifest manifest) throws JSONException {
        Preprocess image = new Preprocess(picture);
        for (int i = 0; i < manifest.transforms.length(); i++) {
            image.step(manifest.transforms.get(i));
        }
        if (image.width != manifest.width || image.height != manifest.height) {
            throw new JSONException("the transforms make " + image.width + "x" + image.height
                    + ", the network takes " + manifest.width + "x" + manifest.height);
        }
        int size = image.width * image.height;
        float[] tensor = new float[3 * size];
        for (int c = 0; c < 3; c++) {
            System.arraycopy(image.planes[c], 0, tensor, c * size, size);
        }
        return tensor;
    }

    private void step(Object spec) throws JSONException {
        String name = spec instanceof String ? (String) spec : ((JSONObject) spec).keys().next().toString();
        JSONObject arguments = spec instanceof String ? new JSONObject() : ((JSONObject) spec).getJSONObject(name);
        switch (name) {
            case "Resize":
                Object size = arguments.get("size");
                boolean both = size instanceof JSONArray;
                int rows = both ? ((JSONArray) size).getInt(0) : (Integer) size;
                resize(both ? ((JSONArray) size).getInt(1) : rows, rows);
                break;
            case "ResizeByShort":
                int side = arguments.getInt("size");
                double scale = side / (double) Math.min(width, height);
                resize(Math.max(side, (int) Math.rint(width * scale)), Math.max(side, (int) Math.rint(height * scale)));
                break;
            case "CenterCrop":
                crop(arguments.getInt("size"));
                break;
            case "Normalize":
                normalize(three(arguments, "mean", 0.485f, 0.456f, 0.406f), three(arguments, "std", 0.229f, 0.224f, 0.225f));
                break;
            default:
                throw new JSONException("the manifest asks for '" + name + "', which this app does not know");
        }
    }

    private void resize(int toWidth, int toHeight) {
        boolean shrinks = (long) toWidth * toHeight < (long) width * height;
        for (int c = 0; c < 3; c++) {
            planes[c] = Resize.plane(planes[c], width, height, toWidth, toHeight, shrinks);
            for (int i = 0; i < planes[c].length; i++) {
                planes[c][i] = Math.min(255f, Math.max(0f, (float) Math.floor(planes[c][i] + 0.5f)));
            }
        }
        width = toWidth;
        height = toHeight;
    }

    private void crop(int size) throws JSONException {
        if (Math.min(width, height) < size) {
            throw new JSONException("CenterCrop: " + size + " is larger than the picture");
        }
        int left = (width - size) / 2;
        int top = (height - size) / 2;
        for (int c = 0; c < 3; c++) {
            float[] part = new float[size * size];
            for (int y = 0; y < size; y++) {
                System.arraycopy(planes[c], (top + y) * width + left, part, y * size, size);
            }
            planes[c] = part;
        }
        width = size;
        height = size;
    }

    private void normalize(float[] mean, float[] deviation) {
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < planes[c].length; i++) {
                planes[c][i] = (planes[c][i] / 255f - mean[c]) / deviation[c];
            }
        }
    }

    private static float[] three(JSONObject arguments, String key, float... usual) throws JSONException {
        if (!arguments.has(key)) {
            return usual;
        }
        JSONArray given = arguments.getJSONArray(key);
        return new float[] {(float) given.getDouble(0), (float) given.getDouble(1), (float) given.getDouble(2)};
    }
}
