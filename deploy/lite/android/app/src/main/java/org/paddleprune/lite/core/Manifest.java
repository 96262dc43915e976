package org.paddleprune.lite.core;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** manifest.json of tools/export.py: all that the app knows of the model. */
public final class Manifest {
    public final String task; // classification, detection, segmentation or matting
    public final List<String> labels = new ArrayList<>();
    public final int height;
    public final int width;
    public final JSONArray transforms;

    /** @throws JSONException if a key is missing, or the export is of another format. */
    public Manifest(String text) throws JSONException {
        JSONObject raw = new JSONObject(text);
        if (!raw.getString("export").equals("lite")) {
            throw new JSONException("no export of format lite; use tools/export.py --format lite");
        }
        task = raw.getString("task");
        JSONArray names = raw.getJSONArray("labels");
        for (int i = 0; i < names.length(); i++) {
            labels.add(names.getString(i));
        }
        JSONArray shape = raw.getJSONObject("input").getJSONArray("shape");
        height = shape.getInt(2);
        width = shape.getInt(3);
        transforms = raw.getJSONArray("transforms");
    }
}
